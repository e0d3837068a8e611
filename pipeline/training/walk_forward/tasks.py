"""Parts of a walk-forward backtest: one method on the origins of one year, and what it may see."""

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
from pipeline.training.walk_forward.provenance import bars_digest, code_digest


class Trained(Protocol):
    """What a trainer returns: the bundle to publish, and each member alone as a bundle."""

    @property
    def bundle(self) -> ModelBundle: ...

    @property
    def members(self) -> Mapping[str, ModelBundle]: ...


Trainer = Callable[[Sequence[Bars], RawBars | None], Trained]


@dataclass(frozen=True, slots=True, eq=False)
class Part:
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
        told = (
            code_digest(self.method.function, type(self.method).score),
            bars_digest([*self.market.bars, *vix]),
            *(self.name, self.first, self.last),
        )
        return hashlib.sha256(" ".join(map(str, told)).encode()).hexdigest()


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """What a part comes to: scores, the model's version and, where one was trained, its bundle."""

    scores: Columns
    model_version: str
    bundle: ModelBundle | None = None


class Method(Protocol):
    """A way to forecast a year: `function` says what is fitted, `score` does it and scores it."""

    @property
    def function(self) -> Callable[..., Any]: ...

    def score(self, part: Part) -> Made: ...


@dataclass(frozen=True, slots=True)
class Refitted:
    """The forecaster, trained on what was known before the year; its members are scored beside."""

    function: Trainer

    def score(self, part: Part) -> Made:
        """Train, then forecast through the ONNX graph, as the daily run does."""
        known = part.market.as_of(date(part.year, 1, 1) - timedelta(days=1))
        trained = self.function(known.bars, known.vix)
        bars, vix = part.market.bars, part.market.vix
        scores = [
            backtest(bars, Model(bundle), part.first, part.last, vix, name)
            for name, bundle in {**trained.members, FORECASTER: trained.bundle}.items()
        ]
        return Made(concatenate(scores), trained.bundle.version, trained.bundle)


@dataclass(frozen=True, slots=True)
class Filtered:
    """A baseline, which refits itself by its own rule as the year goes on."""

    function: Baseline

    def score(self, part: Part) -> Made:
        """Forecast each ticker from its bars up to the last origin."""
        bars, baseline = part.market.bars, self.function
        scores = score_baseline(bars, baseline, part.first, part.last, part.name)
        return Made(scores, part.name)
