"""Bar patterns: what no market makes, an unadjusted split or prices that stand still.

A rule looks at a bar and those before it, never ahead, so that it says the same of a bar whether
it is the newest or long past.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

# Ratios of splits, new shares per old one; beyond the last, every gap of prices is taken for one.
SPLIT_RATIOS = np.array([1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0])
# How far the open, and any price of the bar, may be from the ratio, as parts of its logarithm: the
# open of a 2:1 split by 8 %. A share of the ratio, since the larger the gap, the rarer it is true.
OPEN_TOLERANCE, BAR_TOLERANCE = 0.12, 0.25
# In a crash more is traded than ever; in a split the shares are new, the money is as before.
CALM_VOLUME = 2.0
USUAL_SESSIONS = 20  # that say what volume is usual
# A split that the bars name is one at any ratio above that of a stock dividend.
LEAST_NAMED_SPLIT = np.log(1.2)
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
    gap, split = _gaps(bars, bars.open), _named_splits(bars)
    named = (np.abs(split) >= LEAST_NAMED_SPLIT) & (
        np.abs(gap + split) <= OPEN_TOLERANCE * np.abs(split)
    )
    size = np.abs(gap)
    sizes = np.log(SPLIT_RATIOS)
    nearest = sizes[np.abs(size[:, None] - sizes).argmin(axis=1)]
    ratio = np.sign(gap) * np.where(size > sizes[-1], size, nearest)
    like = _lies_at(gap, ratio, OPEN_TOLERANCE)
    for prices in (bars.high, bars.low, bars.close):
        like &= _lies_at(_gaps(bars, prices), ratio, BAR_TOLERANCE)
    for at in np.flatnonzero(named | like).tolist():
        if named[at]:
            return at, f"the {_name_ratio(split[at])} split that the bars name there"
        if _is_calm(bars, at, ratio[at]):
            return at, f"an unadjusted split of {_name_ratio(-ratio[at])}"
    return None


def find_frozen(bars: Columns) -> tuple[int, str] | None:
    """Return the bar at which a feed has stood still for FROZEN_SESSIONS, and what stood still.

    All four prices, or a volume of zero where other sessions have some: an index has none.
    """
    same = np.ones(len(bars.close), np.bool_)
    for prices in (bars.open, bars.high, bars.low, bars.close):
        same[1:] &= np.diff(prices) == 0
    same[:1] = False
    standing = _end_of_run(same, FROZEN_SESSIONS - 1)
    if standing is not None:
        return standing, "the same four prices"
    traded = bars.volume > 0
    idle = _end_of_run(bars.volume == 0, FROZEN_SESSIONS) if traded.any() else None
    return None if idle is None else (idle, "no volume")


def _gaps(bars: Columns, prices: Floats) -> Floats:
    """Return log of prices over the close before, dividends put back; 0 for the first bar."""
    dividend = np.where(np.isfinite(bars.dividend) & (bars.dividend > 0), bars.dividend, 0.0)
    gaps = np.zeros(len(prices))
    with np.errstate(over="ignore"):  # of numbers near the end of all numbers
        gaps[1:] = np.log(prices[1:] + dividend[1:]) - np.log(bars.close[:-1])
    return gaps


def _named_splits(bars: Columns) -> Floats:
    """Return log of the new shares per old one that the bars name, 0 where they name no split."""
    named = np.isfinite(bars.split) & (bars.split > 0)
    return np.log(np.where(named, bars.split, 1.0))


def _lies_at(gap: Floats, ratio: Floats, tolerance: float) -> Flags:
    near: Flags = (np.abs(gap - ratio) <= tolerance * np.abs(ratio)) & (ratio != 0)
    return near


def _is_calm(bars: Columns, at: int, ratio: float) -> bool:
    """Whether shares or money traded in a bar are as usual; where there is no volume, it is."""
    before = bars.volume[max(0, at - USUAL_SESSIONS) : at]
    before = before[np.isfinite(before) & (before > 0)]
    if not before.size or not np.isfinite(bars.volume[at]):
        return True
    shares = bars.volume[at] / np.median(before)
    return bool(shares * min(1.0, np.exp(ratio)) <= CALM_VOLUME * np.exp(abs(ratio)))


def _name_ratio(log_ratio: float) -> str:
    """Return `3:2` for the logarithm of 1.5 new shares per old one, `1:8` for that of 1/8."""
    ratio = Fraction(float(np.exp(abs(log_ratio)))).limit_denominator(5)
    new, old = ratio.numerator, ratio.denominator
    return f"{new}:{old}" if log_ratio > 0 else f"{old}:{new}"


def _end_of_run(flags: Flags, n: int) -> int | None:
    """Return the index at which the first run of n True is complete, None without one."""
    if len(flags) < n:
        return None
    complete = np.convolve(flags.astype(np.int64), np.ones(n, np.int64))[: len(flags)] == n
    return int(np.argmax(complete)) if complete.any() else None
