"""Holes: bars of the past that a source has lost, taken from an earlier vintage that has them.

A bar may go missing for days, as a row that is left out or one without prices. What was read
before stands in for it, if all else that both vintages have of the ticker is the same.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np

from pipeline.bars import PRICES, Flags, RawBars, Sessions
from pipeline.record.revisions import (
    CLOSE_TOLERANCE,
    are_comparable,
    relative_change,
    requoting_factors,
)

# Of closes: more than a vendor's single precision leaves, less than any adjustment or revision.
SAME = 1e-6
# Sessions that both must have: fewer show nothing of how the rest is adjusted.
LEAST_SHARED = 60


def find_holes(raw: RawBars, past: Sessions) -> Sessions:
    """Return the sessions, before the newest bar, of which there is no bar with four prices.

    What a source has not yet is no hole. Bars out of order have other faults.

    Parameters
    ----------
    past : the exchange's sessions before the origin
    """
    whole = _has_prices(raw)
    if np.array_equal(raw.session[:-1], past) and whole[:-1].all():
        return past[:0]
    if not whole.any() or not (np.diff(raw.session).astype(np.int64) > 0).all():
        return past[:0]
    there = raw.session[whole]
    return np.setdiff1d(past[past < there[-1]], there)


def fill_holes(raw: RawBars, holes: Sessions, earlier: RawBars) -> tuple[RawBars, Sessions]:
    """Return bars with those holes filled that an earlier vintage can fill, and their sessions."""
    there = np.isin(earlier.session, holes) & _has_prices(earlier)
    if not there.any() or not _agree(raw, earlier):
        return raw, holes[:0]
    quoted = _quote(earlier, raw).rows(there)
    kept = raw.rows(~np.isin(raw.session, quoted.session))
    order = np.argsort(np.concatenate([kept.session, quoted.session]), kind="stable")
    columns: dict[str, Any] = {
        field.name: np.concatenate([getattr(kept, field.name), getattr(quoted, field.name)])[order]
        for field in fields(raw)
        if field.name != "ticker"
    }
    return replace(raw, **columns), quoted.session


def _agree(raw: RawBars, earlier: RawBars) -> bool:
    """Whether all that both have is the same, splits undone.

    The newest close of the earlier vintage was read on its evening, when a source may still round.
    """
    if not are_comparable(raw, earlier):
        return False
    shared = np.isin(raw.session[_has_prices(raw)], earlier.session[_has_prices(earlier)]).sum()
    change = np.abs(relative_change(raw, earlier, "close"))
    newest = raw.session == earlier.session[-1]
    return bool(
        shared >= LEAST_SHARED
        and (change[~newest] <= SAME).all()
        and (change[newest] <= CLOSE_TOLERANCE).all()
    )


def _quote(earlier: RawBars, raw: RawBars) -> RawBars:
    """Return the earlier bars as they would be quoted now."""
    factors = requoting_factors(raw, earlier)
    prices = {name: getattr(earlier, name) / factors for name in (*PRICES, "dividend")}
    return replace(earlier, **prices, volume=earlier.volume * factors)


def _has_prices(raw: RawBars) -> Flags:
    prices = np.array([getattr(raw, name) for name in PRICES])
    flags: Flags = np.isfinite(prices).all(axis=0)
    return flags
