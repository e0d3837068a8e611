"""Pace: how far a long computation is, and how long what is left will take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """Tasks done of all; `seconds_left` is None until every kind left was timed."""

    done: int
    total: int
    seconds_left: float | None


class Pace:
    """The time that is left, by the mean of each kind of task so far.

    Parameters
    ----------
    total : tasks in all; those not waiting are done
    waiting : kind of each task still to compute
    workers : tasks computed at a time
    """

    def __init__(self, total: int, waiting: Sequence[str], workers: int) -> None:
        self._total, self._workers = total, workers
        self._waiting = Counter(waiting)
        self._seconds: dict[str, list[float]] = {}

    def add_timing(self, kind: str, seconds: float) -> None:
        """Note that a task of this kind is done."""
        self._waiting[kind] -= 1
        self._seconds.setdefault(kind, []).append(seconds)

    def estimate_progress(self) -> Progress:
        """Return how many tasks are done and how long the others will take."""
        left = self._waiting.total()
        return Progress(self._total - left, self._total, self._estimate_seconds_left())

    def _estimate_seconds_left(self) -> float | None:
        left = {kind: n for kind, n in self._waiting.items() if n}
        if not left.keys() <= self._seconds.keys():
            return None
        means = {kind: sum(timings) / len(timings) for kind, timings in self._seconds.items()}
        return sum(n * means[kind] for kind, n in left.items()) / self._workers
