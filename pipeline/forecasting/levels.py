"""Levels: the quantile levels of every forecast, and the intervals between them."""

from __future__ import annotations

from collections.abc import Mapping

LEVELS = (0.01, 0.025, 0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95, 0.975, 0.99)
MEDIAN = LEVELS.index(0.50)
# Nominal coverage in percent -> positions of the lower and the upper quantile level.
INTERVALS: Mapping[int, tuple[int, int]] = {
    50: (4, 6),
    80: (3, 7),
    90: (2, 8),
    95: (1, 9),
    98: (0, 10),
}
