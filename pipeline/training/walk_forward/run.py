"""Walk-forward backtest: every year forecast by what was learnt before it, beside baselines.

At the start of each year a bundle is trained on the bars up to the last session before it. The
embargo follows: no target lies after the cut, so that the last h origins before it are dropped
at horizon h. A year of one method is a task. Tasks are computed by processes, their scores written
whole, and computed again only if their bars, their code or its libraries changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from time import perf_counter

import numpy as np

from pipeline.adapters.folder_store import FolderObjects
from pipeline.adapters.parquet.parquet_tables import ParquetTables
from pipeline.backtest.history import MarketHistory
from pipeline.backtest.pace import Pace, Progress
from pipeline.bars import Bars
from pipeline.baselines.full_history import Baseline
from pipeline.columns import Columns, concatenate
from pipeline.errors import BundleMismatch, ConfigError, DataError, Reason, StoreError
from pipeline.evaluation.score_table import FORECASTER
from pipeline.forecasting.adjustment_check import check_unmixed
from pipeline.forecasting.bundle import load_bundle
from pipeline.training.bundles import save_bundle
from pipeline.training.walk_forward.tasks import (
    BaselineMethod,
    RefitMethod,
    Trainer,
    YearResult,
    YearTask,
)
from pipeline.training.walk_forward.workers import run_each

# Metadata of a task's scores: what they were computed from, and the version of the model.
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
        for first, last in self._split_years():
            for ticker_bars in self.market.bars:
                _check_bars(ticker_bars, first, last)
        check_unmixed(self.market.bars)

    def list_tasks(self) -> Iterator[YearTask]:
        """Yield all tasks, year by year."""
        methods = {FORECASTER: RefitMethod(self.trainer)}
        baselines = {name: BaselineMethod(baseline) for name, baseline in self.baselines.items()}
        for first, last in self._split_years():
            market = self.market.with_targets(last)
            for name, method in (methods | baselines).items():
                yield YearTask(name, method, first, last, market)

    def _split_years(self) -> Iterator[tuple[date, date]]:
        for year in range(self.first.year, self.last.year + 1):
            yield max(self.first, date(year, 1, 1)), min(self.last, date(year, 12, 31))


def walk_forward(
    plan: WalkForward,
    folder: Path,
    workers: int = 1,
    report: Callable[[Progress], None] = lambda _: None,
) -> Columns:
    """Return the scores of all tasks, year by year; `folder` keeps them and each year's bundle.

    Interrupted or killed at any time and started again, it goes on and ends the same.

    Parameters
    ----------
    workers : processes; one is this process itself
    report : called at the start and after each task

    Raises
    ------
    DataError
        When bars are too few or constant.
    ModelError
        When graph and Python model differ.
    StoreError
        When the folder cannot be written.
    """
    tasks = list(plan.list_tasks())
    digests = {task.key: task.digest() for task in tasks}
    scores = {task.key: _read_scores(task, folder, digests[task.key]) for task in tasks}
    waiting = [task for task in tasks if scores[task.key] is None]
    pace = Pace(len(tasks), [task.name for task in waiting], workers)
    report(pace.estimate_progress())

    def keep_result(task: YearTask, timed: tuple[YearResult, float]) -> None:
        result, seconds = timed
        _write_result(task, result, folder, digests[task.key])
        scores[task.key] = result.scores
        pace.add_timing(task.name, seconds)
        report(pace.estimate_progress())

    run_each(_time_task, waiting, workers, keep_result)
    return concatenate([task_scores for task_scores in scores.values() if task_scores is not None])


def find_bundle_folder(folder: Path, year: int) -> Path:
    """Return where a walk-forward backtest keeps the bundle trained on bars before `year`."""
    return folder / "bundles" / str(year)


def _time_task(task: YearTask) -> tuple[YearResult, float]:
    start = perf_counter()
    return task.method.score(task), perf_counter() - start


def _write_result(task: YearTask, result: YearResult, folder: Path, digest: str) -> None:
    """Write the bundle, then the scores: they count from then on, and name the bundle."""
    if result.bundle is not None:
        save_bundle(result.bundle, find_bundle_folder(folder, task.year))
    metadata = {DIGEST: digest, VERSION: result.model_version}
    data = ParquetTables().encode("backtest_scores", result.scores, metadata)
    FolderObjects(folder).replace(task.key, data)


def _read_scores(task: YearTask, folder: Path, digest: str) -> Columns | None:
    """Return the task's scores if an earlier run left just these, and their bundle, whole."""
    data = FolderObjects(folder).read(task.key)
    if data is None:
        return None
    try:
        scores, metadata = ParquetTables().decode("backtest_scores", data)
        if isinstance(task.method, RefitMethod):
            bundle = load_bundle(find_bundle_folder(folder, task.year))
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
