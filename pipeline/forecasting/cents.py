"""Cents: whether prices are whole cents, as exchanges quote them since 2001.

A price times a factor for dividends is hardly ever whole cents. Splits divide cents by small whole
numbers; what is known of them is undone first.
"""

from __future__ import annotations

import numpy as np

from pipeline.bars import PRICES, Flags, Floats, RawBars

CENT, SPLITS = 0.01, range(1, 31)
# Prices come in single precision, or with six digits after the point.
RELATIVE, ABSOLUTE = 1e-7, 1e-6
MOST, FEW = 0.9, 0.5
NEWEST = 5  # sessions


def are_in_cents(bars: RawBars, chosen: Flags | slice, split: int = 1) -> Flags:
    """Return which prices are whole cents divided by `split`, bool (n_prices, n_chosen).

    Parameters
    ----------
    chosen : bool (n,) or a slice, of which bars
    """
    undone: Floats = np.stack([getattr(bars, name)[chosen] for name in PRICES])
    if (bars.split > 0).any():
        later = np.cumprod(np.where(bars.split > 0, bars.split, 1.0)[::-1])[::-1]
        undone = undone * np.append(later[1:], 1.0)[chosen]  # it counts for sessions before it
    unit = CENT / split
    near: Flags = np.abs(undone - np.round(undone / unit) * unit) <= RELATIVE * undone + ABSOLUTE
    return near


def share_in_cents(bars: RawBars, chosen: Flags | slice) -> float:
    """Return the share of prices in cents, or in one small part of them."""
    share = 0.0
    for split in SPLITS:
        share = max(share, float(are_in_cents(bars, chosen, split).mean()))
        if share >= MOST:
            break
    return share


def look_adjusted(bars: RawBars) -> bool:
    """Whether older prices have left the cents that the newest keep, as if paid dividends were off.

    A source without cents, such as an index, says nothing.
    """
    if len(bars) < 4 * NEWEST or are_in_cents(bars, slice(-NEWEST, None)).mean() < MOST:
        return False
    older = slice(0, len(bars) // 2)
    whole = all(np.isfinite(getattr(bars, name)[older]).all() for name in PRICES)
    return whole and share_in_cents(bars, older) < FEW
