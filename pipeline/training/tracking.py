"""Tracking: the metrics and files of a training run, kept while it runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from pipeline.backtest.leaderboard import Leaderboard, Row
from pipeline.backtest.score_cube import LOSSES


class Run(Protocol):
    """The run that trains one model.

    `log_metric` keeps a value of a step: the epoch or the calendar year. `log_artifact` keeps a
    file or all files of a folder; of a name logged twice the last is kept.
    """

    def log_metric(self, name: str, value: float, step: int = 0) -> None: ...

    def log_artifact(self, path: Path) -> None: ...


class Tracker(Protocol):
    """Where runs are kept.

    Members started within an ensemble belong to it. A run whose block raises is kept as failed.
    Raises StoreError when runs cannot be kept.
    """

    def start_ensemble(
        self, name: str, params: Mapping[str, object]
    ) -> AbstractContextManager[Run]: ...

    def start_member(
        self, name: str, params: Mapping[str, object]
    ) -> AbstractContextManager[Run]: ...


class NoTracking:
    """Tracker, and run, that keeps nothing."""

    @contextmanager
    def start_ensemble(self, name: str, params: Mapping[str, object]) -> Iterator[Run]:
        yield self

    @contextmanager
    def start_member(self, name: str, params: Mapping[str, object]) -> Iterator[Run]:
        yield self

    def log_metric(self, name: str, value: float, step: int = 0) -> None:
        pass

    def log_artifact(self, path: Path) -> None:
        pass


class ScoringTracker:
    """Tracker that also keeps, in the run of each member, how that member scored on `board`."""

    def __init__(self, tracker: Tracker, board: Leaderboard) -> None:
        self._tracker, self._board = tracker, board
        self.start_ensemble = tracker.start_ensemble

    @contextmanager
    def start_member(self, name: str, params: Mapping[str, object]) -> Iterator[Run]:
        with self._tracker.start_member(name, params) as run:
            if name in self._board.models:
                keep_scores(run, self._board, name)
            yield run


def keep_scores(run: Run, board: Leaderboard, model: str) -> None:
    """Keep a model's scores of the first horizon: each calendar year's, the year as step, and all.

    Ratios where the leaderboard has them; `coverage_95` is a share.
    """
    horizon = board.horizons[0]
    for name, value in _list_metrics(board.select_overall(model, horizon)).items():
        run.log_metric(name, value)
    for row in board.select("year", horizon, model):
        for name, value in _list_metrics(row).items():
            run.log_metric(f"year/{name}", value, int(row.value))


def _list_metrics(row: Row) -> dict[str, float]:
    ratios = {f"{name}_ratio": ratio for name, ratio in row.ratios.items()}
    scores = {name: float(getattr(row, name)) for name in LOSSES}
    return {**scores, **ratios, "coverage_95": row.coverage[95]}
