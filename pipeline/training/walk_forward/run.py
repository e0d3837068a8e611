"""Walk-forward backtest: every year forecast by what was learnt before it, beside baselines.

At the start of each year a bundle is trained on the bars up to the last session before it. The
embargo follows: no target lies after the cut, so that the last h origins before it are dropped
at horizon h. A year of one method is a part. Parts are computed by processes, written whole, and
computed again only if their bars, their code or its libraries changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from time import perf_counter

import numpy as np

from pipeline.adapters.folder_store import FolderObjects
from pipeline.adapters.parquet_tables import ParquetTables
from pipeline.backtest.history import MarketHistory
from pipeline.backtest.pace import Pace, Progress
from pipeline.bars import Bars
from pipeline.baselines.full_history import Baseline
from pipeline.columns import Columns, concatenate
from pipeline.errors import BundleMismatch, ConfigError, DataError, Reason, StoreError
from pipeline.evaluation.score_table import FORECASTER
from pipeline.forecasting.bundle import load_bundle
from pipeline.training.adjustment_check import check_unmixed
from pipeline.training.bundles import save_bundle
from pipeline.training.walk_forward.tasks import Filtered, Made, Part, Refitted, Trainer
from pipeline.training.walk_forward.workers import run_each

# Metadata of a part: what it was computed from, and the version of the model.
DIGEST, VERSION = "digest", "model_version"


@dataclass(frozen=True, slots=True, eq=False)
class WalkForward:
    """Which methods forecast which origins, from `first` to `last`, of which market.

    Raises
    ------
    ConfigError
        On construction, when `first` is after `last`.
    DataError
        On construction, when a ticker has no bars in one of the years, or some prices are adjusted
        for dividends and others are not.
    """

    market: MarketHistory
    trainer: Trainer
    baselines: Mapping[str, Baseline]
    first: date
    last: date

    def __post_init__(self) -> None:
        if self.first > self.last:
            raise ConfigError(f"expected a first origin not after {self.last}, got {self.first}")
        for first, last in self._years():
            for one in self.market.bars:
                _check_bars(one, first, last)
        check_unmixed(self.market.bars)

    def parts(self) -> Iterator[Part]:
        """Yield all parts, year by year."""
        methods = {FORECASTER: Refitted(self.trainer)}
        baselines = {name: Filtered(baseline) for name, baseline in self.baselines.items()}
        for first, last in self._years():
            market = self.market.with_targets(last)
            for name, method in (methods | baselines).items():
                yield Part(name, method, first, last, market)

    def _years(self) -> Iterator[tuple[date, date]]:
        for year in range(self.first.year, self.last.year + 1):
            yield max(self.first, date(year, 1, 1)), min(self.last, date(year, 12, 31))


def walk_forward(
    plan: WalkForward,
    folder: Path,
    workers: int = 1,
    report: Callable[[Progress], None] = lambda _: None,
) -> Columns:
    """Return the scores of all parts, year by year; `folder` keeps them and each year's bundle.

    Interrupted or killed at any time and started again, it goes on and ends the same.

    Parameters
    ----------
    workers : processes; one is this process itself
    report : told at the start and after each part

    Raises
    ------
    DataError
        When bars are too few or constant.
    ModelError
        When a bundle cannot be made.
    StoreError
        When the folder cannot be written.
    """
    parts = list(plan.parts())
    digests = {part.key: part.digest() for part in parts}
    scores = {part.key: _kept(part, folder, digests[part.key]) for part in parts}
    waiting = [part for part in parts if scores[part.key] is None]
    pace = Pace(len(parts), [part.name for part in waiting], workers)
    report(pace.estimate_progress())

    def done(part: Part, timed: tuple[Made, float]) -> None:
        made, seconds = timed
        _keep(part, made, folder, digests[part.key])
        scores[part.key] = made.scores
        pace.add_timing(part.name, seconds)
        report(pace.estimate_progress())

    run_each(_timed, waiting, workers, done)
    return concatenate([of_part for of_part in scores.values() if of_part is not None])


def bundle_folder(folder: Path, year: int) -> Path:
    """Return where a walk-forward backtest keeps the bundle trained on what came before `year`."""
    return folder / "bundles" / str(year)


def _timed(part: Part) -> tuple[Made, float]:
    start = perf_counter()
    return part.method.score(part), perf_counter() - start


def _keep(part: Part, made: Made, folder: Path, digest: str) -> None:
    """Write the bundle, then the scores: they count from then on, and name the bundle."""
    if made.bundle is not None:
        save_bundle(made.bundle, bundle_folder(folder, part.year))
    metadata = {DIGEST: digest, VERSION: made.model_version}
    data = ParquetTables().encode("scores", made.scores, metadata)
    FolderObjects(folder).replace(part.key, data)


def _kept(part: Part, folder: Path, digest: str) -> Columns | None:
    """Return the part's scores if an earlier run left just these, and their bundle, whole."""
    data = FolderObjects(folder).read(part.key)
    if data is None:
        return None
    try:
        scores, metadata = ParquetTables().decode("scores", data)
        if isinstance(part.method, Refitted):
            bundle = load_bundle(bundle_folder(folder, part.year))
            metadata = metadata if metadata.get(VERSION) == bundle.version else {}
    except (StoreError, BundleMismatch):
        return None
    return scores if metadata.get(DIGEST) == digest else None


def _check_bars(bars: Bars, first: date, last: date) -> None:
    inside = (bars.session >= np.datetime64(first)) & (bars.session <= np.datetime64(last))
    if not inside.any():
        raise DataError(
            f"{bars.ticker}: expected bars from {first} to {last}, got some from "
            f"{bars.session[0]} to {bars.session[-1]}",
            Reason.NOT_ENOUGH_HISTORY,
        )
