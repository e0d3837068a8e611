"""Fetch: bars from a source to a folder, one CSV each as Yahoo exports it, to be read again."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from pipeline.bars import COLUMNS, ORIGIN_FILE, RawBars
from pipeline.errors import DataError, IncompleteRun, InvalidBars, Reason, StoreError
from pipeline.ports import BarSource, ObjectStore
from pipeline.record.vintage import CURRENCY

HEADER = "Date,Open,High,Low,Close,Volume,Dividends,Stock Splits"


@dataclass(frozen=True, slots=True)
class Fetched:
    """The source's label, bars written by ticker, and why others were not."""

    source: str
    written: Mapping[str, RawBars]
    failures: Mapping[str, DataError]

    def document(self) -> dict[str, Any]:
        """Return all but the bars as plain values, ready for JSON."""
        return {
            "source": self.source,
            "written": {
                ticker: {
                    "bars": len(bars),
                    "first": str(bars.session.min()),
                    "last": str(bars.session.max()),
                }
                for ticker, bars in self.written.items()
            },
            "failed": {
                ticker: {"reason": error.reason, "message": str(error)}
                for ticker, error in self.failures.items()
            },
        }

    def require_complete(self) -> None:
        """Raise IncompleteRun if a ticker was not written."""
        if self.failures:
            reasons = {ticker: str(error.reason) for ticker, error in self.failures.items()}
            named = ", ".join(f"{ticker} ({reason})" for ticker, reason in reasons.items())
            raise IncompleteRun(f"expected bars of every ticker, got none of {named}", reasons)


def fetch(
    source: BarSource,
    tickers: Sequence[str],
    first: date,
    last: date,
    folder: ObjectStore,
    *,
    force: bool = False,
) -> Fetched:
    """Write the bars from `first` to `last` to `TICKER.csv` each, and their origin beside them.

    Raises
    ------
    StoreError
        When a file cannot be written, or is there already and `force` is not set.
    """
    present = [name for name in map(name_csv, tickers) if folder.read(name) is not None]
    if present and not force:
        raise StoreError(
            f"expected a folder without {', '.join(present)}, got {folder.url(present[0])}; "
            "--force replaces it"
        )
    reading = source.read(tickers, first, last)
    written = {ticker: bars for ticker, bars in reading.bars.items() if len(bars)}
    missing = {t: _no_bars(t, first, last) for t in reading.bars if t not in written}
    for ticker, bars in written.items():
        folder.replace(name_csv(ticker), to_csv(bars, reading.currencies.get(ticker)))
    if written:
        folder.replace(ORIGIN_FILE, f"{source.label}\n".encode())
    return Fetched(source.label, written, {**reading.failures, **missing})


def name_csv(ticker: str) -> str:
    """Return the name of a ticker's file."""
    return f"{ticker}.csv"


def to_csv(bars: RawBars, currency: str | None = None) -> bytes:
    """Return the bars as CSV: every float reads back to the same bits, a hole is empty.

    A column says in what prices are, where that is known.
    """
    columns = [map(_format_cell, getattr(bars, name).tolist()) for name in COLUMNS]
    rows = zip(np.datetime_as_string(bars.session), *columns, strict=True)
    known = currency is not None and re.fullmatch(CURRENCY, currency) is not None
    last = [currency] if known and currency else []
    header = [HEADER, "Currency"] if known else [HEADER]
    lines = [",".join(line) for line in (header, *([*row, *last] for row in rows))]
    return ("\n".join(lines) + "\n").encode()


def _format_cell(value: float) -> str:
    if np.isnan(value):
        return ""
    return f"{value:.0f}" if value.is_integer() else repr(value)


def _no_bars(ticker: str, first: date, last: date) -> InvalidBars:
    return InvalidBars(f"{ticker}: expected bars from {first} to {last}, got none", Reason.NO_BARS)
