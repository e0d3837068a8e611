"""CSV rows: those that are bars, and the notes and repeated headers that people leave between."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from pipeline.adapters.bar_folder.csv_cells import Cells, are_blank, equal, match, refuse_row
from pipeline.bars import Flags

# A line that was cut off begins with a date; a note begins with a word.
NOTE = r'^[\s"]*[^\d\s"]'


def select_bars(
    cells: Cells, date: int, prices: Sequence[int], name: str
) -> tuple[Cells, list[str]]:
    """Return the rows of bars, and in words what was left out.

    Parameters
    ----------
    date, prices : places of these columns
    name : what the header calls the date

    Raises
    ------
    ValueError
        For a row of another width that is no note below the bars.
    """
    days = cells.columns[date]
    repeated: Flags = equal(days, name)
    unpriced = are_blank([cells.columns[at] for at in prices])
    below = np.cumsum((~unpriced & ~repeated)[::-1])[::-1] == 0
    notes = unpriced & below & match(days, NOTE)
    kept = cells.select(~repeated & ~notes)
    counts = {
        "with the header again": int(repeated.sum()),
        "below the bars": int(notes.sum()) + _count_notes(kept),
    }
    return kept, [count_lines(count, what) for what, count in counts.items() if count]


def count_lines(count: int, what: str) -> str:
    """Return in words how many lines were left out."""
    return f"{count} line{'s' if count > 1 else ''} {what} left out"


def drop_unpriced(cells: Cells, prices: Sequence[int]) -> Cells:
    """Return the rows that have any price or volume: others are sessions of other tickers."""
    return cells.select(~are_blank([cells.columns[at] for at in prices]))


def refuse_odd(cells: Cells, tickers: Iterable[str]) -> None:
    """Raise ValueError for a row of another width in a file whose rows begin with their tickers.

    A note below the bars begins with no ticker; what stands between bars is none.
    """
    last: Any = cells.rows[-1] if len(cells.rows) else np.inf
    known = tuple(tickers)
    for row in cells.odd:
        if row.number < last or row.text.lstrip("'\" ").startswith(known):
            raise refuse_row(row, cells.width, cells.find_line)


def _count_notes(kept: Cells) -> int:
    """Return how many rows of another width are notes below the bars; ValueError for others."""
    last: Any = kept.rows[-1] if len(kept.rows) else np.inf
    for row in kept.odd:
        if row.number < last or not re.match(NOTE, row.text):
            raise refuse_row(row, kept.width, kept.find_line)
    return len(kept.odd)
