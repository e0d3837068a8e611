"""Columns: which of a file's columns are bars, and what their cells may say.

`Date,Open,High,Low,Close` and, where there, `Volume`, `Dividends` and `Stock Splits`; `Adj Close`
and others are not read. A problem is a ValueError that says where, what was expected and received.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date

import numpy as np

from pipeline.bars import Floats, Sessions

DATE = "Date"
PRICES = ("Open", "High", "Low", "Close")
NUMBERS = (*PRICES, "Volume", "Dividends", "Stock Splits")
HOLES = frozenset({"", "null", "nan"})
# No exchange that we know is older; what lies beyond is no date but a mistake of units.
EARLIEST, LATEST = np.datetime64("1700-01-01"), np.datetime64("2199-12-31")

Table = tuple[Sessions, dict[str, Floats]]  # the sessions and the columns of NUMBERS there are


def check_header(header: Sequence[str]) -> None:
    """Raise ValueError unless every column that a bar needs is there, and none twice."""
    counts = Counter(header)
    if missing := [name for name in (DATE, *PRICES) if name not in counts]:
        raise ValueError(
            f"expected the columns {', '.join((DATE, *PRICES))}; missing {', '.join(missing)}; "
            f"got {', '.join(header) or 'none'}"
        )
    if twice := [name for name in (DATE, *NUMBERS) if counts[name] > 1]:
        raise ValueError(f"expected each column once, got {', '.join(twice)} twice")


def parse_numbers(name: str, cells: Iterable[str | None], where: Iterable[str]) -> Floats:
    """Return text as numbers; `where` says where each cell is."""
    pairs = zip(cells, where, strict=True)
    return np.array([_parse_number(name, cell, at) for cell, at in pairs], np.float64)


def _parse_number(name: str, cell: str | None, where: str) -> float:
    try:
        # Python reads 1_000 and digits of every script, which no file of bars has.
        if cell is not None and cell.isascii() and "_" not in cell:
            return float(cell)
    except ValueError:
        pass
    if cell is None or cell.strip().lower() in HOLES:
        return np.nan
    raise ValueError(f"{where}, {name}: expected a number, got {cell[:50]!r}")


def parse_days(cells: Iterable[str | None], where: Iterable[str]) -> Sessions:
    """Return text as sessions: YYYY-MM-DD, with a time and zone after it or without."""
    days = [_parse_day(cell, at) for cell, at in zip(cells, where, strict=True)]
    return check_days(np.array(days, "datetime64[D]"))


def _parse_day(cell: str | None, where: str) -> date:
    # A time or zone after the date is the exchange's own: the date before it is the session.
    text = cell or ""
    try:
        day, rest = date.fromisoformat(text[:10]), text[10:]
    except ValueError:
        day, rest = None, text
    if day is None or rest[:1] not in ("", " ", "T"):
        raise ValueError(f"{where}, {DATE}: expected YYYY-MM-DD, got {text[:50]!r}")
    return day


def check_days(days: Sessions) -> Sessions:
    """Return the sessions; raises ValueError for one that is missing or not of our time."""
    if np.isnat(days).any():
        row = int(np.argmax(np.isnat(days)))
        raise ValueError(f"column {DATE}: expected dates, got none in row {row}")
    beyond = (days < EARLIEST) | (days > LATEST)
    if beyond.any():
        raise ValueError(
            f"column {DATE}: expected dates from {EARLIEST} to {LATEST}, got "
            f"{days[beyond][0]} in row {int(np.argmax(beyond))}"
        )
    return days
