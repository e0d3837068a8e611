"""Splits for which the bars before are not adjusted, as a source that is late sends them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pipeline.bars import PRICES, RawBars

# New shares per old one.
RATIOS = (
    2.0,
    3.0,
    1.5,
    4.0,
    5.0,
    10.0,
    2.5,
    7.0,
    20.0,
    50.0,
    1 / 8,
    1 / 2,
    1 / 10,
    1 / 1.5,
    1 / 30,
)


def plant_split(raw: RawBars, at: int, ratio: float) -> RawBars:
    """Return bars of which those before `at` are as they were before a split took effect there."""
    before = np.where(np.arange(len(raw)) < at, ratio, 1.0)
    prices = {name: getattr(raw, name) * before for name in PRICES}
    return replace(raw, **prices, volume=raw.volume / before)
