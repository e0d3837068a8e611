"""The footnote of tables: which tickers the model was not proven on, by a mark at their names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from pipeline.cli.console import print_line
from pipeline.record.notes import Note, NoteCode, find_noted
from pipeline.record.proven import UNPROVEN

MARK = "*"


@dataclass(slots=True)
class Footnote:
    """Marks tickers in tables, and says below them what the mark means where there is one."""

    unproven: frozenset[str]
    is_used: bool = False

    @classmethod
    def of(cls, notes: Iterable[Note]) -> Self:
        """Return the footnote of a session, by its notes."""
        return cls(find_noted(notes, NoteCode.UNPROVEN))

    def mark(self, ticker: str) -> str:
        """Return a ticker as a table names it."""
        if ticker not in self.unproven:
            return ticker
        self.is_used = True
        return f"{ticker} {MARK}"

    def print_below(self) -> None:
        """Print what the mark means, if any ticker has one."""
        if self.is_used:
            print_line(f"{MARK} {UNPROVEN}", "yellow")
