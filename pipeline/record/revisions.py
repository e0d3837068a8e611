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
    changes = {name: _relative_change(now, then, name) for name in (*PRICES, "volume")}
    return {name: _summarise(change, now) for name, change in changes.items() if change.any()}


def explained_by_splits(now: RawBars, then: RawBars) -> bool:
    """Whether splits explain how the closes of the sessions of both differ, but for rounding.

    An adjustment that was switched on or forgotten, or a price mended afterwards, is not.
    """
    change = _relative_change(now, then, "close")
    return bool((np.abs(change) <= CLOSE_TOLERANCE).all())


def split_factor_since(bars: RawBars, session: NDArray[Any]) -> Floats:
    """Return new shares per old one over the splits after each session, float64 (n,).

    Prices of a vintage times this are prices as they were quoted on the session.
    """
    factors = np.where(np.isfinite(bars.split) & (bars.split > 0), bars.split, 1.0)
    # factors of bars i and on, and 1 after the last.
    with np.errstate(over="ignore"):  # of what is no split, which is no close either then
        ahead = np.concatenate([np.cumprod(factors[::-1])[::-1], [1.0]])
    factor: Floats = ahead[np.searchsorted(bars.session, session, side="right")]
    return factor


def _relative_change(now: RawBars, then: RawBars, name: str) -> Floats:
    """Return the relative change of each bar of `now`, 0 where the vintages cannot be compared."""
    change = np.zeros(len(now))
    if len(now) == 0 or len(then) == 0 or not (_is_ordered(now) and _is_ordered(then)):
        return change
    at = np.searchsorted(then.session, now.session).clip(max=len(then) - 1)
    factor = split_factor_since(now, then.session[-1:])[0]
    with np.errstate(over="ignore", invalid="ignore"):
        before = getattr(then, name)[at] * (factor if name == "volume" else 1 / factor)
        after = getattr(now, name)
        usable = (then.session[at] == now.session) & np.isfinite(before) & np.isfinite(after)
        usable &= before > 0
        relative = after[usable] / before[usable] - 1.0
    change[usable] = np.clip(relative, -LARGEST_CHANGE, LARGEST_CHANGE)
    # Dividing by a split's factor costs a bit or two.
    change[np.abs(change) < 1e-12] = 0.0
    return change


def _is_ordered(bars: RawBars) -> bool:
    return bool((np.diff(bars.session).astype(np.int64) > 0).all())


def _summarise(change: Floats, now: RawBars) -> Revision:
    at = int(np.argmax(np.abs(change)))
    return Revision(
        bars=int(np.count_nonzero(change)),
        largest=float(change[at]),
        session=str(now.session[at]),
    )
