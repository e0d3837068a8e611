"""Pace: how far a long computation is, and how long what is left will take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """Parts done of all; `seconds_left` is None until every kind left was timed."""

    done: int
    total: int
    seconds_left: float | None


class Pace:
    """What is left, foretold from what it took: each kind of part by its own mean.

    Parameters
    ----------
    total : parts in all; those not waiting are done
    waiting : kind of each part still to compute
    workers : parts computed at a time
    """

    def __init__(self, total: int, waiting: Sequence[str], workers: int) -> None:
        self._total, self._workers = total, workers
        self._waiting = Counter(waiting)
        self._seconds: dict[str, list[float]] = {}

    def took(self, kind: str, seconds: float) -> None:
        """Note that a part of this kind is done."""
        self._waiting[kind] -= 1
        self._seconds.setdefault(kind, []).append(seconds)

    def progress(self) -> Progress:
        """Return how far it is."""
        left = self._waiting.total()
        return Progress(self._total - left, self._total, self._seconds_left())

    def _seconds_left(self) -> float | None:
        left = {kind: n for kind, n in self._waiting.items() if n}
        if not left.keys() <= self._seconds.keys():
            return None
        means = {kind: sum(took) / len(took) for kind, took in self._seconds.items()}
        return sum(n * means[kind] for kind, n in left.items()) / self._workers
