"""Ranges: whether bars have any, on which the sharpest of what is known of volatility rests.

Of a source that gives one price a day, volatility is read from closes alone: see `features`.
"""

from __future__ import annotations

from pipeline.bars import RawBars

NEWEST, TOO_MANY = 22, 5  # sessions; of a month, a week


def have_ranges(bars: RawBars) -> bool:
    """Whether open, high, low and close are one price in fewer than 5 of the newest 22 sessions."""
    return bool((bars.high[-NEWEST:] <= bars.low[-NEWEST:]).sum() < TOO_MANY)
