"""Market: the bars of every ticker, and the VIX where the source has it, in one reading."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from pipeline.ports import BarSource, Reading
from pipeline.vintage import VIX

# Before the first bar that any source has.
EARLIEST = date(1970, 1, 1)


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
