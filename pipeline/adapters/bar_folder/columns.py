"""Columns: those of a file that are bars, what their cells may say, and the sheet they make.

`Date,Open,High,Low,Close` and, where there, `Volume`, `Dividends` and `Stock Splits`; `Adj Close`
and others are not read. A problem is a ValueError that says where, what was expected and received.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from pipeline.bars import Floats, Sessions

DATE = "Date"
PRICES = ("Open", "High", "Low", "Close")
NUMBERS = (*PRICES, "Volume", "Dividends", "Stock Splits")
TICKER, CURRENCY = "Ticker", "Currency"
ANYWHERE = {TICKER: ("ticker", "symbol"), CURRENCY: ("currency",)}
HOLES = frozenset({"", "null", "nan"})
# No exchange that we know is older; what lies beyond is no date but a mistake of units.
EARLIEST, LATEST = np.datetime64("1700-01-01"), np.datetime64("2199-12-31")

PLAIN_LAYOUT = "table with Yahoo's columns"
NameRow = Callable[[int], str]  # a row's index -> where it is, in words


@dataclass(frozen=True, slots=True, eq=False)
class Sheet:
    """What was read of a file for a ticker: sessions, the columns of NUMBERS there are, and how.

    `layout` names the layout, `assumed` says in words what else was found or taken for granted;
    `currency` is what a column of that name says, empty without one.
    """

    session: Sessions
    numbers: dict[str, Floats]
    layout: str = PLAIN_LAYOUT
    assumed: tuple[str, ...] = ()
    currency: str = ""

    @property
    def dialect(self) -> str:
        """The layout and what was assumed in one line, empty for the plain one."""
        if self.layout == PLAIN_LAYOUT and not self.assumed:
            return ""
        return ", ".join((self.layout, *self.assumed))


def parse_numbers(name: str, cells: Iterable[str | None], name_row: NameRow) -> Floats:
    """Return text as numbers; `name_row` says where the cell at an index is."""
    values = (_parse_number(name, cell, at, name_row) for at, cell in enumerate(cells))
    return np.array([*values], np.float64)


def _parse_number(name: str, cell: str | None, at: int, name_row: NameRow) -> float:
    try:
        # Python reads 1_000 and digits of every script, which no file of bars has.
        if cell is not None and cell.isascii() and "_" not in cell:
            return float(cell)
    except ValueError:
        pass
    if cell is None or cell.strip().lower() in HOLES:
        return np.nan
    raise ValueError(f"{name_row(at)}, {name}: expected a number, got {cell[:50]!r}")


def parse_days(cells: Iterable[str | None], name_row: NameRow) -> Sessions:
    """Return text as sessions: YYYY-MM-DD, with a time and zone after it or without."""
    days = [_parse_day(cell, at, name_row) for at, cell in enumerate(cells)]
    return check_days(np.array(days, "datetime64[D]"))


def _parse_day(cell: str | None, at: int, name_row: NameRow) -> date:
    # A time or zone after the date is the exchange's own: the date before it is the session.
    text = cell or ""
    try:
        day, rest = date.fromisoformat(text[:10]), text[10:]
    except ValueError:
        day, rest = None, text
    if day is None or rest[:1] not in ("", " ", "T"):
        raise ValueError(f"{name_row(at)}, {DATE}: expected YYYY-MM-DD, got {text[:50]!r}")
    return day


def match_anywhere(header: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Yield our columns that any layout may have beside its own, and where they are."""
    lower = [name.lower() for name in header]
    for ours, theirs in ANYWHERE.items():
        if name := next((name for name in theirs if name in lower), None):
            yield ours, lower.index(name)


def choose_currency(cells: Iterable[str | None]) -> str:
    """Return the one currency that cells name, empty for none; raises ValueError for several."""
    names = sorted({cell.strip() for cell in cells if cell and cell.strip()})
    if len(names) > 1:
        raise ValueError(f"column {CURRENCY}: expected one, got {', '.join(names)[:50]}")
    return names[0] if names else ""


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
