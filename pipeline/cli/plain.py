"""Plain: text as terminals may have it, whatever labels, tickers and messages hold.

Everything printed goes through `to_text` and `PlainTable`, and markup in it is text. Consoles that
know no more than ASCII get the nearest they can show.
"""

from __future__ import annotations

import codecs
from collections.abc import Collection, Iterable
from copy import copy
from dataclasses import replace
from io import TextIOWrapper
from typing import Any, TextIO

from rich import box
from rich.table import Column, Table
from rich.text import Text

from pipeline.encoding import to_line

# What our own texts hold; anything else is escaped.
NEAREST = {
    "±": "+-", "—": "-", "–": "-", "…": "...", "×": "x", "→": "->", "≤": "<=", "≥": ">=",
    "│": "|", "●": "o", "▲": "^", "▼": "v", "░": ".", "▒": ":", "▓": "#",
}  # fmt: skip


def to_text(text: str, style: str = "") -> Text:
    """Return a line of text without control characters, in a style."""
    return Text(to_line(text), style)


def count(n: int, noun: str) -> str:
    """Return a number with its noun: 1 session, 5,000 sessions."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def name_few(names: Collection[str], most: int = 20) -> str:
    """Return names joined by commas, of many the first and how many more there are."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(list(names)[:most]) + more


class PlainTable(Table):
    """A table whose heads and cells are text, never markup or control characters.

    `spare` names the columns that a narrow terminal can do without, the first to go first.
    """

    def __init__(self, spare: Iterable[str] = ()) -> None:
        super().__init__(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
        self.spare = tuple(spare)

    def add_names(self, names: Iterable[str], **options: Any) -> None:
        """Add columns under these names."""
        for name in names:
            self.add_column(to_text(name), **options)

    def add_row(self, *cells: Any, **options: Any) -> None:
        """Add a row; of a cell in several lines, a list has them."""
        super().add_row(*map(_to_cell, cells), **options)

    def without(self, names: Collection[str]) -> PlainTable:
        """Return the same table without some of its columns."""
        return self._with(c for c in self.columns if _read_head(c) not in names)

    def first(self, n: int) -> PlainTable:
        """Return the same table with its first rows alone."""
        shown = self._with(replace(column, _cells=[*column.cells][:n]) for column in self.columns)
        shown.rows = self.rows[:n]
        return shown

    def firm(self) -> PlainTable:
        """Return the same table, whose columns that do not wrap are never made narrower."""
        return self._with(
            replace(column, min_width=_measure(column)) if column.no_wrap else column
            for column in self.columns
        )

    def list_cards(self) -> list[list[tuple[str, Text]]]:
        """Return the rows, each as its cells under their names."""
        names = list(map(_read_head, self.columns))
        cells: Any = zip(*(column.cells for column in self.columns), strict=True)
        return [list(zip(names, row, strict=True)) for row in cells]

    def _with(self, columns: Iterable[Column]) -> PlainTable:
        table = copy(self)
        table.columns = [replace(column, _index=at) for at, column in enumerate(columns)]
        return table


def _read_head(column: Column) -> str:
    return str(column.header)


def _measure(column: Column) -> int:
    """Return the width of the longest line in a column."""
    texts: Any = (column.header, *column.cells)
    widths: list[int] = [line.cell_len for text in texts for line in text.split(allow_blank=True)]
    return max(widths, default=0)


def _to_cell(cell: str | list[str]) -> Text:
    return Text("\n").join(map(to_text, [cell] if isinstance(cell, str) else cell))


def accept_any_text(*streams: TextIO) -> None:
    """Let streams write the nearest of a character that their encoding lacks, not fail."""
    codecs.register_error("nearest", _find_nearest)
    for stream in streams:
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="nearest")


def _find_nearest(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    escaped = (NEAREST.get(c) or c.encode("unicode_escape").decode() for c in lacking)
    return "".join(escaped), error.end
