"""Tasks of a walk-forward backtest: one method on the origins of one year, and what it may see."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Protocol

from pipeline.backtest.evaluate import backtest, score_baseline
from pipeline.backtest.history import MarketHistory
from pipeline.bars import Bars, RawBars
from pipeline.baselines.full_history import Baseline
from pipeline.columns import Columns, concatenate
from pipeline.evaluation.score_table import FORECASTER
from pipeline.forecasting.bundle import ModelBundle
from pipeline.forecasting.model import Model
from pipeline.training.walk_forward.provenance import digest_bars, digest_code


class TrainedModel(Protocol):
    """What a trainer returns: the bundle to publish, and each member alone as a bundle."""

    @property
    def bundle(self) -> ModelBundle: ...

    @property
    def members(self) -> Mapping[str, ModelBundle]: ...


Trainer = Callable[[Sequence[Bars], RawBars | None], TrainedModel]


@dataclass(frozen=True, slots=True, eq=False)
class YearTask:
    """One method on the origins of one year, from `first` to `last`.

    `market` ends with the targets of `last`, so that bars added later change nothing.
    """

    name: str
    method: Method
    first: date
    last: date
    market: MarketHistory

    @property
    def year(self) -> int:
        return self.first.year

    @property
    def key(self) -> str:
        return f"years/{self.year}/{self.name}.parquet"

    def digest(self) -> str:
        """Return the sha256 of all that the result depends on."""
        vix = [] if self.market.vix is None else [self.market.vix]
        dependencies = (
            digest_code(self.method.function, type(self.method).score),
            digest_bars([*self.market.bars, *vix]),
            *(self.name, self.first, self.last),
        )
        return hashlib.sha256(" ".join(map(str, dependencies)).encode()).hexdigest()


@dataclass(frozen=True, slots=True, eq=False)
class YearResult:
    """The result of a task: scores, the model's version and, where one was trained, its bundle."""

    scores: Columns
    model_version: str
    bundle: ModelBundle | None = None


class Method(Protocol):
    """A way to forecast a year: `function` says what is fitted, `score` does it and scores it."""

    @property
    def function(self) -> Callable[..., Any]: ...

    def score(self, task: YearTask) -> YearResult: ...


@dataclass(frozen=True, slots=True)
class RefitMethod:
    """The forecaster, trained on the bars before the year; its members are scored beside."""

    function: Trainer

    def score(self, task: YearTask) -> YearResult:
        """Train, then forecast through the ONNX graph, as the daily run does."""
        history = task.market.as_of(date(task.year, 1, 1) - timedelta(days=1))
        trained = self.function(history.bars, history.vix)
        bars, vix = task.market.bars, task.market.vix
        scores = [
            backtest(bars, Model(bundle), task.first, task.last, vix, name)
            for name, bundle in {**trained.members, FORECASTER: trained.bundle}.items()
        ]
        return YearResult(concatenate(scores), trained.bundle.version, trained.bundle)


@dataclass(frozen=True, slots=True)
class BaselineMethod:
    """A baseline, which refits itself by its own rule as the year goes on."""

    function: Baseline

    def score(self, task: YearTask) -> YearResult:
        """Forecast each ticker from its bars up to the last origin."""
        bars, baseline = task.market.bars, self.function
        scores = score_baseline(bars, baseline, task.first, task.last, task.name)
        return YearResult(scores, task.name)
