"""Revisions: how a source's bars differ from those it gave for the vintage before."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.bars import PRICES, Floats, RawBars

# Closes of finished bars are not revised by more, whatever the vendor rounds; opens, highs, lows
# and volumes are, and are only noted.
CLOSE_TOLERANCE = 5e-3
# A bad print is of a session; a week of them is a fault of the source, and mended at once.
MOST_MENDED = 5
# Of a change that is named: what was no value may have been mended, and JSON has no infinity.
LARGEST_CHANGE = 1e9


class Revision(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What changed in one column: how many bars, and the largest relative change with its day."""

    bars: int
    largest: float
    session: str


def find_revisions(now: RawBars, then: RawBars) -> dict[str, Revision]:
    """Return what changed in the sessions of both, by column; splits since are no change.

    A value that is NaN in either is left out.
    """
    if not are_comparable(now, then):
        return {}
    overlap = _Overlap(now, then)
    changes = {name: overlap.relative_change(name) for name in (*PRICES, "volume")}
    return {name: _summarise(change, now) for name, change in changes.items() if change.any()}


def explained_by_splits(now: RawBars, then: RawBars) -> bool:
    """Whether splits explain how the closes of the sessions of both differ, but for rounding.

    An adjustment that was switched on or forgotten, or a price mended afterwards, is not.
    """
    change = relative_change(now, then, "close")
    return bool((np.abs(change) <= CLOSE_TOLERANCE).all())


def find_mended(now: RawBars, then: RawBars) -> NDArray[np.int64]:
    """Return which few rows of `now` have another close than `then`, where all before is the same.

    A source mends a bad print; an adjustment, or another market's bars, change all that came
    before, and are no such thing: then there are none.
    """
    change = relative_change(now, then, "close")
    rows = np.flatnonzero(np.abs(change) > CLOSE_TOLERANCE)
    if not 0 < len(rows) <= MOST_MENDED or not np.isin(now.session[: rows[0]], then.session).any():
        return rows[:0]
    return rows


def split_factor_since(bars: RawBars, session: NDArray[Any]) -> Floats:
    """Return new shares per old one over the splits after each session, float64 (n,).

    Prices of a vintage times this are prices as they were quoted on the session.
    """
    if not (bars.split > 0).any():
        return np.ones(len(session))
    factors = np.where(np.isfinite(bars.split) & (bars.split > 0), bars.split, 1.0)
    # factors of bars i and on, and 1 after the last.
    with np.errstate(over="ignore"):  # of what is no split, which is no close either then
        ahead = np.concatenate([np.cumprod(factors[::-1])[::-1], [1.0]])
    factor: Floats = ahead[np.searchsorted(bars.session, session, side="right")]
    return factor


def describe_splits(bars: RawBars) -> str:
    """Return in words which splits are among the bars, with ratio and day."""
    rows = np.flatnonzero(np.isfinite(bars.split) & (bars.split > 0) & (bars.split != 1.0))
    splits = [f"{bars.split[row]:g} for 1 on {bars.session[row]}" for row in rows.tolist()]
    if not splits:
        return "the bars have no split"
    return f"the bars have a split of {' and '.join(splits)}: were prices before adjusted for it?"


def requoting_factors(now: RawBars, then: RawBars) -> Floats:
    """Return by what each bar of `then` is divided to be quoted as `now` is, float64 (len(then),).

    Splits since, and those that `then` knew nothing of yet: a source may adjust a day late.
    """
    if not (now.split > 0).any():
        return np.ones(len(then))
    factors = np.full(len(then), split_factor_since(now, then.session[-1:])[0])
    known = np.flatnonzero((now.split > 0) & (now.split != 1.0) & (now.session <= then.session[-1]))
    for row in known.tolist():
        split, session = now.split[row], now.session[row]
        if _is_late(now, then, session, split):
            factors[then.session < session] *= split
    return factors


def _is_late(now: RawBars, then: RawBars, session: np.datetime64, split: float) -> bool:
    """Whether the closes of `then` jump at a split's session by its ratio, and those of `now` not.

    The step from the session before is compared, so that one bad close hides no split.
    """
    steps = []
    for bars in (now, then):
        row = int(np.searchsorted(bars.session, session))
        if row in (0, len(bars)) or bars.session[row] != session:
            return False
        with np.errstate(all="ignore"):  # of prices that nobody has checked
            steps.append((bars.session[row - 1], bars.close[row] / bars.close[row - 1]))
    (before, step), (also_before, jump) = steps
    return bool(before == also_before and abs(jump * split - step) <= CLOSE_TOLERANCE * step)


def relative_change(now: RawBars, then: RawBars, name: str) -> Floats:
    """Return the relative change of each bar of `now`, 0 where the vintages cannot be compared."""
    if not are_comparable(now, then):
        return np.zeros(len(now))
    return _Overlap(now, then).relative_change(name)


class _Overlap:
    """The sessions of two readings that can be compared: which bars of both they have."""

    def __init__(self, now: RawBars, then: RawBars) -> None:
        self._now, self._then = now, then
        at = np.searchsorted(then.session, now.session).clip(max=len(then) - 1)
        rows = np.flatnonzero(then.session[at] == now.session)
        self._rows, self._at = _as_slice(rows), _as_slice(at[rows])
        self._factor = requoting_factors(now, then)[self._at]

    def relative_change(self, name: str) -> Floats:
        change = np.zeros(len(self._now))
        after, factor = getattr(self._now, name)[self._rows], self._factor
        with np.errstate(over="ignore", invalid="ignore"):
            before = getattr(self._then, name)[self._at]
            before = before * (factor if name == "volume" else 1 / factor)
            if (before == after).all():  # as nearly always
                return change
            usable = np.isfinite(before) & np.isfinite(after) & (before > 0)
            relative = after[usable] / before[usable] - 1.0
        # Dividing by a split's factor costs a bit or two.
        relative[np.abs(relative) < 1e-12] = 0.0
        of_rows = change[self._rows]
        of_rows[usable] = np.clip(relative, -LARGEST_CHANGE, LARGEST_CHANGE)
        change[self._rows] = of_rows
        return change


def _as_slice(rows: NDArray[np.int64]) -> Any:
    """Return rows that lie together as a slice, which copies nothing."""
    together = len(rows) and rows[-1] - rows[0] == len(rows) - 1
    return slice(int(rows[0]), int(rows[-1]) + 1) if together else rows


def are_comparable(now: RawBars, then: RawBars) -> bool:
    """Whether there are bars of both, each in the order of their sessions."""
    return len(now) > 0 and len(then) > 0 and _is_ordered(now) and _is_ordered(then)


def _is_ordered(bars: RawBars) -> bool:
    return bool((bars.session[1:] > bars.session[:-1]).all())


def _summarise(change: Floats, now: RawBars) -> Revision:
    at = int(np.argmax(np.abs(change)))
    return Revision(
        bars=int(np.count_nonzero(change)),
        largest=float(change[at]),
        session=str(now.session[at]),
    )
