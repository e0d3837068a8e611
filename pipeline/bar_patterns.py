"""Bar patterns: what no market makes, an unadjusted split or prices that stand still.

A rule looks at a bar and those before it, never ahead, so that it says the same of a bar whether
it is the newest or long past.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

# Ratios of splits, new shares per old one; beyond the last, every gap of prices is taken for one.
SPLIT_RATIOS = np.array([1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0])
# How far the open, and any price of the bar, may be from the ratio, as parts of its logarithm: the
# open of a 2:1 split by 8 %. A share of the ratio, since the larger the gap, the rarer it is true.
OPEN_TOLERANCE, BAR_TOLERANCE = 0.12, 0.25
LARGEST_MOVE = 300.0  # in log: whatever is beyond may as well be it
# In a crash more is traded than ever; in a split the shares are new, the money is as before.
CALM_VOLUME = 2.0
USUAL_SESSIONS = 20  # that say what volume is usual
# A split that the bars name is one at any ratio above that of a stock dividend.
LEAST_NAMED_SPLIT = float(np.log(1.2))
LEAST_GAP = (1 - OPEN_TOLERANCE) * LEAST_NAMED_SPLIT
# In 472 US names over 21 years prices stood still for 3 sessions, volume at zero for 2, at most.
FROZEN_SESSIONS = 5


class Columns(Protocol):
    """Bars by column, float64 (n,) each, prices positive and finite."""

    @property
    def open(self) -> Floats: ...

    @property
    def high(self) -> Floats: ...

    @property
    def low(self) -> Floats: ...

    @property
    def close(self) -> Floats: ...

    @property
    def volume(self) -> Floats: ...

    @property
    def dividend(self) -> Floats: ...

    @property
    def split(self) -> Floats: ...


def find_unadjusted_split(bars: Columns) -> tuple[int, str] | None:
    """Return the first bar before which prices are not adjusted for a split, and which split.

    The open, and all of the bar after it, lie a split's ratio away from the close before, dividend
    put back, while no more is traded than usual; or as far away as the split the bars name there.
    """
    gaps = _find_gaps(bars)
    for before in np.flatnonzero(np.abs(gaps) >= LEAST_GAP).tolist():
        split = _name_split(bars, before + 1, float(gaps[before]))
        if split is not None:
            return before + 1, split
    return None


def find_doubtful(bars: Columns) -> Flags:
    """Return of which bars it depends on those before whether they are adjusted, bool (n,)."""
    return np.append(False, np.abs(_find_gaps(bars)) >= LEAST_GAP)


def _find_gaps(bars: Columns) -> Floats:
    """Return how far the open of each bar but the first lies from the close before, in log."""
    return _log_moves(bars.open[1:], bars.dividend[1:], bars.close[:-1])


def find_frozen(bars: Columns) -> tuple[int, str] | None:
    """Return the bar at which a feed has stood still for FROZEN_SESSIONS, and what stood still.

    All four prices, or a volume of zero where other sessions have some: an index has none.
    """
    same = np.diff(bars.close) == 0
    if np.count_nonzero(same) >= FROZEN_SESSIONS - 1:
        for prices in (bars.open, bars.high, bars.low):
            same &= np.diff(prices) == 0
        standing = _end_of_run(same, FROZEN_SESSIONS - 1)
        if standing is not None:
            return standing + 1, "the same four prices"
    none = bars.volume == 0
    if np.count_nonzero(none) < FROZEN_SESSIONS or not (bars.volume > 0).any():
        return None
    idle = _end_of_run(none, FROZEN_SESSIONS)
    return None if idle is None else (idle, "no volume")


def _name_split(bars: Columns, at: int, gap: float) -> str | None:
    """Return the split that a gap of prices before a bar looks like, None for a move of prices."""
    named = bars.split[at]
    if np.isfinite(named) and named > 0 and abs(np.log(named)) >= LEAST_NAMED_SPLIT:
        ratio = float(-np.log(named))
        if abs(gap - ratio) <= OPEN_TOLERANCE * abs(ratio):
            return f"the {_show_ratio(-ratio)} split that the bars name there"
    sizes = np.log(SPLIT_RATIOS)
    nearest = float(sizes[np.abs(abs(gap) - sizes).argmin()])
    ratio = math.copysign(max(nearest, abs(gap)) if nearest == sizes[-1] else nearest, gap)
    if abs(gap - ratio) > OPEN_TOLERANCE * abs(ratio) or not _lies_at(bars, at, ratio):
        return None
    return f"an unadjusted split of {_show_ratio(-ratio)}" if _is_calm(bars, at, ratio) else None


def _lies_at(bars: Columns, at: int, ratio: float) -> bool:
    """Whether all of a bar lies about a ratio, in log, from the close before."""
    prices = np.array([bars.high[at], bars.low[at], bars.close[at]])
    moves = _log_moves(prices, bars.dividend[at], bars.close[at - 1])
    return bool((np.abs(moves - ratio) <= BAR_TOLERANCE * abs(ratio)).all())


def _log_moves(prices: Floats, dividend: Any, before: Any) -> Floats:
    """Return log of prices, dividends put back, over a close before; cut at LARGEST_MOVE."""
    paid = np.where(np.isfinite(dividend) & (dividend > 0), dividend, 0.0)
    with np.errstate(over="ignore"):  # of numbers near the end of all numbers
        moves: Floats = np.log(prices + paid) - np.log(before)
    return np.clip(moves, -LARGEST_MOVE, LARGEST_MOVE)


def _is_calm(bars: Columns, at: int, ratio: float) -> bool:
    """Whether shares or money traded in a bar are as usual; where there is no volume, it is."""
    before = bars.volume[max(0, at - USUAL_SESSIONS) : at]
    before = before[np.isfinite(before) & (before > 0)]
    if not before.size or not np.isfinite(bars.volume[at]):
        return True
    shares = bars.volume[at] / np.median(before)
    return bool(shares * min(1.0, np.exp(ratio)) <= CALM_VOLUME * np.exp(abs(ratio)))


def _show_ratio(log_ratio: float) -> str:
    """Return `3:2` for the logarithm of 1.5 new shares per old one, `1:8` for that of 1/8."""
    ratio = Fraction(math.exp(abs(log_ratio))).limit_denominator(5)
    new, old = f"{ratio.numerator:.4g}", f"{ratio.denominator}"
    return f"{new}:{old}" if log_ratio > 0 else f"{old}:{new}"


def _end_of_run(flags: Flags, n: int) -> int | None:
    """Return the index at which the first run of n True is complete, None without one."""
    if len(flags) < n:
        return None
    complete = np.convolve(flags.astype(np.int64), np.ones(n, np.int64))[: len(flags)] == n
    return int(np.argmax(complete)) if complete.any() else None
