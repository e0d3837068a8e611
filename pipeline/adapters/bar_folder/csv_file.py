"""CSV: bars as people's programs export them, of one ticker or of many."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from pipeline.adapters.bar_folder.columns import (
    CURRENCY,
    DATE,
    NUMBERS,
    TICKER,
    Sheet,
    check_days,
    choose_currency,
)
from pipeline.adapters.bar_folder.csv_cells import Cells, parse_cells
from pipeline.adapters.bar_folder.csv_rows import (
    count_lines,
    drop_unpriced,
    refuse_odd,
    select_bars,
)
from pipeline.adapters.bar_folder.days import ISO, read_days
from pipeline.adapters.bar_folder.dialects import (
    DIVIDENDS,
    DOWNLOAD,
    PERIOD,
    PLAIN,
    SPLITS,
)
from pipeline.adapters.bar_folder.finish import finish
from pipeline.adapters.bar_folder.groups import Rows, group_rows
from pipeline.adapters.bar_folder.layouts import MARKS, find_header
from pipeline.adapters.bar_folder.numbers import read_numbers, read_plain_numbers
from pipeline.adapters.bar_folder.text import decode_text
from pipeline.bars import Floats

DAILY = ("D", "d")
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
HISTORY = "yfinance Ticker.history()"
SPREADSHEET = "MarketWatch, WSJ or Excel export"
ADJUSTED = "no Adj Close, so as adjusted for dividends: yfinance leaves them with auto_adjust=False"
ZONE = re.compile(r".*\d:\d\d[+-]\d\d:?\d\d$")


class CsvFile:
    """A CSV file, its cells read once.

    Raises
    ------
    ValueError
        On construction and in `read`, with the line, what was expected and received.
    """

    def __init__(self, data: bytes) -> None:
        self._header = header = find_header(decode_text(data))
        wanted = sorted({at for places in header.places.values() for at in places.values()})
        text = data.removeprefix(BYTE_ORDER_MARK)
        self._cells = parse_cells(text, header.rows, len(header.names), wanted, header.mark)

    @cached_property
    def tickers(self) -> tuple[str, ...]:
        """The tickers that the file itself names."""
        return tuple(self._rows_of or filter(None, self._header.places))

    def read(self, ticker: str) -> Sheet:
        """Return the bars of a ticker that the file names, or of the only one."""
        header, cells = self._header, self._cells
        places = header.places.get(ticker) or next(iter(header.places.values()))
        if self._rows_of:
            cells = cells.select(self._rows_of[ticker])
        priced = [places[name] for name in NUMBERS if name in places]
        cells, left_out = select_bars(cells, places[DATE], priced, header.names[places[DATE]])
        if len(self.tickers) > 1:
            cells = drop_unpriced(cells, priced)
        _check_period(cells, places)
        days, how_days = read_days(cells.columns[places[DATE]], cells.name_line)
        numbers, how_numbers = self._read_numbers(cells, places, plain_days=how_days == ISO)
        if header.notes:
            left_out.append(count_lines(header.notes, "above the header"))
        layout = self._name_layout(cells.columns[places[DATE]], places, how_days)
        adjusted = layout in (HISTORY, DOWNLOAD.name) and "Adj Close" not in header.names
        facts = (
            how_days if how_days != ISO else "",
            MARKS[header.mark],
            how_numbers,
            *left_out,
            ADJUSTED if adjusted else "",
        )
        money = cells.columns[places[CURRENCY]].unique().to_pylist() if CURRENCY in places else ()
        sheet = Sheet(
            check_days(days), numbers, layout, tuple(filter(None, facts)), choose_currency(money)
        )
        return finish(sheet, header.dialect)

    @cached_property
    def _rows_of(self) -> Mapping[str, Rows]:
        """Ticker -> its rows, where a column names tickers; a repeated header is nobody's."""
        place = self._header.places.get("", {}).get(TICKER)
        if place is None:
            return {}
        rows = dict(group_rows(self._cells.columns[place]))
        rows.pop(self._header.names[place], None)
        refuse_odd(self._cells, rows)
        return rows

    def _read_numbers(
        self, cells: Cells, places: Mapping[str, int], *, plain_days: bool
    ) -> tuple[dict[str, Floats], str]:
        columns = {name: cells.columns[places[name]] for name in NUMBERS if name in places}
        if self._header.dialect is PLAIN and self._header.mark == "," and plain_days:
            return read_plain_numbers(columns, cells.name_line)
        return read_numbers(columns, cells.name_line, point=self._header.dialect.point)

    def _name_layout(self, days: Any, places: Mapping[str, int], how_days: str) -> str:
        """Return what the file is called; of Yahoo's columns the days say who wrote them."""
        if self._header.dialect is not PLAIN or self._header.mark != ",":
            return self._header.dialect.name
        if {DIVIDENDS, SPLITS} <= places.keys() and len(days) and ZONE.match(days[0].as_py()):
            return HISTORY
        return SPREADSHEET if "/" in how_days else PLAIN.name


def _check_period(cells: Cells, places: Mapping[str, int]) -> None:
    """Raise ValueError unless all bars are of a day, where a column says so."""
    if PERIOD not in places:
        return
    for row, period in enumerate(cells.columns[places[PERIOD]].to_pylist()):
        if period not in DAILY:
            raise ValueError(f"{cells.name_line(row)}: expected daily bars, D, got {period!r}")
