"""Workers of a walk-forward backtest: processes of one thread each, this one too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import TypeVar

from threadpoolctl import threadpool_limits

from pipeline.jobs import processes

T = TypeVar("T")
R = TypeVar("R")


def run_each(
    work: Callable[[T], R], tasks: Sequence[T], workers: int, on_result: Callable[[T, R], None]
) -> None:
    """Call `work` for each task, as `pipeline.jobs.processes.run_each` does, which raises the same.

    One worker has one thread too: sums then have the same order, and equal bits, for any workers.
    """
    with threadpool_limits(1) if workers == 1 else nullcontext():
        processes.run_each(work, tasks, workers, on_result)
