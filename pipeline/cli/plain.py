"""Plain: text as terminals may have it, whatever labels, tickers and messages hold.

Everything printed goes through `to_text` and `PlainTable`, and markup in it is text. Consoles that
know no more than ASCII get the nearest they can show.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable
from io import TextIOWrapper
from typing import Any, TextIO

from rich import box
from rich.table import Table
from rich.text import Text

from pipeline.encoding import to_line

# What our own texts hold; anything else is escaped.
NEAREST = {"±": "+-", "—": "-", "–": "-", "…": "...", "×": "x", "→": "->", "≤": "<=", "≥": ">="}


def to_text(text: str, style: str = "") -> Text:
    """Return a line of text without control characters, in a style."""
    return Text(to_line(text), style)


class PlainTable(Table):
    """A table whose heads and cells are text, never markup or control characters."""

    def __init__(self) -> None:
        super().__init__(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)

    def add_names(self, names: Iterable[str], **options: Any) -> None:
        """Add columns under these names."""
        for name in names:
            self.add_column(to_text(name), **options)

    def add_row(self, *cells: Any, **options: Any) -> None:
        """Add a row; of a cell in several lines, a list has them."""
        super().add_row(*map(_to_cell, cells), **options)


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
