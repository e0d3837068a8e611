"""History: the bars of every ticker, and the VIX where the source has it, in one reading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from pipeline.bars import VIX, Bars, RawBars
from pipeline.baselines.full_history import HORIZONS
from pipeline.ports import BarSource, Reading

# Before the first bar that any source has.
EARLIEST = date(1970, 1, 1)


@dataclass(frozen=True, slots=True, eq=False)
class MarketHistory:
    """Bars of several tickers and, where there, of the Cboe VIX."""

    bars: tuple[Bars, ...]
    vix: RawBars | None = None

    def as_of(self, day: date) -> MarketHistory:
        """Return what was known at the end of `day`."""
        vix = None if self.vix is None else self.vix.as_of(day)
        return MarketHistory(tuple(ticker_bars.as_of(day) for ticker_bars in self.bars), vix)

    def with_targets(self, day: date) -> MarketHistory:
        """Return what was known at the end of `day`, and the bars that its targets lie in."""
        bars = (ticker_bars.as_of(_find_last_target(ticker_bars, day)) for ticker_bars in self.bars)
        return MarketHistory(tuple(bars), self.as_of(day).vix)


def read_market(source: BarSource, tickers: Sequence[str], first: date, last: date) -> Reading:
    """Return the bars of all tickers and of the VIX, which alone may be among the failures.

    Raises
    ------
    DataError
        Of the first ticker without bars.
    """
    reading = source.read([*tickers, VIX], first, last)
    for ticker in tickers:
        if ticker in reading.failures:
            raise reading.failures[ticker]
    return reading


def _find_last_target(bars: Bars, day: date) -> date:
    last_origin = int((bars.session <= np.datetime64(day)).sum()) - 1
    target: date = bars.session[min(last_origin + HORIZONS[-1], len(bars) - 1)].item()
    return target
