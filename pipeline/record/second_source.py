"""Second source: whether another source has the same last close, and what is to be said of it.

What it said is part of the vintage, so that all that follows stays a function of what is stored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date

import numpy as np

from pipeline.bars import RawBars
from pipeline.errors import InvalidBars, Reason
from pipeline.grid import format_price
from pipeline.record.notes import Note, NoteCode

AGREE_WITHIN = 0.002  # of the close
ROUNDING = 1e-9


def check_second_close(bars: RawBars, other: float | None) -> None:
    """Raise InvalidBars unless the last close is the other source's, None where it has none."""
    if other is not None and not _agree(bars.close[-1], other):
        raise InvalidBars(
            f"{bars.ticker}: expected the last close of both sources within .2 %, got "
            f"{format_price(bars.close[-1])} and {format_price(other)}",
            Reason.SOURCES_DISAGREE,
        )


def note_second_source(
    second: str | None,
    closes: Mapping[str, float],
    bars: Mapping[str, RawBars],
    tickers: Mapping[str, str],
) -> Iterator[Note]:
    """Yield of which tickers a second source has another last close, and of which none.

    Parameters
    ----------
    second : its label, None where none was asked
    closes : those that it has, by ticker
    bars : by symbol
    tickers : those of the part -> reason where withheld, else empty
    """
    if second is None:
        return
    for ticker, reason in tickers.items():
        if reason == Reason.SOURCES_DISAGREE:
            ours = format_price(bars[ticker].close[-1])
            theirs = format_price(closes[ticker])
            message = f"the last close is {ours}, and {theirs} by the second source, {second}"
            yield Note(NoteCode.SOURCES_DISAGREE, message, (ticker,))
    lacking = [ticker for ticker in tickers if ticker in bars and ticker not in closes]
    if lacking:
        message = f"the second source, {second}, gave no close of the session: not checked by it"
        yield Note(NoteCode.NOT_CHECKED, message, tuple(lacking))


def find_close(bars: RawBars, session: date) -> float | None:
    """Return the close of a session, the last where it is there twice, None without a price."""
    closes = bars.close[bars.session == np.datetime64(session, "D")].tolist()
    known = [close for close in closes if np.isfinite(close) and close > 0]
    return known[-1] if known else None


def _agree(close: float, other: float) -> bool:
    return bool(abs(other / close - 1.0) <= AGREE_WITHIN + ROUNDING)
