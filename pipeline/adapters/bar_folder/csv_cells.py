"""CSV cells: a file's text as columns of text, by pyarrow; nothing is read into them.

Rows that are not blank have numbers from 1. Of an error the line is found afterwards, since a
quoted cell may hold several.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import StringIO
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv as arrow_csv

from pipeline.bars import Flags

MOST_COLUMNS = 100_000  # of 5,000 tickers there are 30,000
MOST_ODD = 50  # rows: more are no notes, but a file of something else
Rows = NDArray[np.int64]


class OddRow(NamedTuple):
    """A row that has not as many fields as the header."""

    number: int
    fields: int
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Rows of text.

    Attributes
    ----------
    columns : column's place -> its cells, pyarrow strings (n,), without white space around them
    rows : int64 (n,), the rows' numbers in the text
    width : fields of the header
    odd : rows left out, for they have not as many
    find_line : row's number -> line of the file on which it begins
    """

    columns: dict[int, Any]
    rows: Rows
    width: int
    odd: list[OddRow]
    find_line: Callable[[int], int]

    def select(self, rows: Any) -> Cells:
        """Return the rows that a bool (n,), a slice or indices choose."""
        own = isinstance(rows, np.ndarray) and rows.dtype == np.int64
        chosen = rows if own else np.arange(len(self.rows))[rows]
        columns = {at: column.take(pa.array(chosen)) for at, column in self.columns.items()}
        return Cells(columns, self.rows[rows], self.width, self.odd, self.find_line)

    def name_line(self, row: int) -> str:
        """Return `line 7` of the row at an index."""
        return f"line {self.find_line(int(self.rows[row]))}"


def parse_cells(text: bytes, skipped: int, width: int, wanted: Sequence[int], mark: str) -> Cells:
    """Return the rows of a CSV after `skipped` rows of header; blank ones are left out.

    Parameters
    ----------
    text : UTF-8 without a byte order mark
    wanted : places of the columns to read
    mark : what is between two fields

    Raises
    ------
    ValueError
        For what is no CSV, or has more columns than any file of bars.
    """
    if width > MOST_COLUMNS:
        raise ValueError(f"expected at most {MOST_COLUMNS} columns, got {width}")
    odd: list[OddRow] = []

    def leave_out(row: Any) -> str:
        odd.append(OddRow(row.number, row.actual_columns, row.text))
        return "skip" if len(odd) <= MOST_ODD else "error"

    def find_line(number: int) -> int:
        return _find_line(text.decode(), mark, number)

    try:
        table = _read_table(text, width, wanted, mark, leave_out)
    except (pa.ArrowException, OSError) as exc:
        if len(odd) > MOST_ODD:
            raise refuse_row(odd[0], width, find_line) from exc
        raise ValueError(f"expected CSV, got: {exc}") from exc
    columns = {at: pc.utf8_trim_whitespace(table.column(str(at))) for at in wanted}
    numbers = np.arange(1, table.num_rows + len(odd) + 1)
    rows = np.delete(numbers, [row.number - 1 for row in odd])
    odd = [row for row in odd if row.number > skipped and row.text.strip()]
    cells = Cells(columns, rows, width, odd, find_line)
    return cells.select(~are_blank(cells.columns.values()) & (rows > skipped))


def _read_table(text: bytes, width: int, wanted: Sequence[int], mark: str, odd: Any) -> Any:
    return arrow_csv.read_csv(
        pa.BufferReader(text),
        # One block, so that rows are numbered from the first to the last.
        arrow_csv.ReadOptions(
            use_threads=False,
            block_size=len(text) + 1,
            column_names=[str(at) for at in range(width)],
        ),
        arrow_csv.ParseOptions(delimiter=mark, newlines_in_values=True, invalid_row_handler=odd),
        arrow_csv.ConvertOptions(
            include_columns=[str(at) for at in wanted],
            column_types={str(at): pa.string() for at in wanted},
            strings_can_be_null=False,
        ),
    ).combine_chunks()


def refuse_row(row: OddRow, width: int, find_line: Callable[[int], int]) -> ValueError:
    """Return the error of a row that has not as many fields as the header."""
    line = find_line(row.number)
    return ValueError(f"line {line}: expected {width} fields, got {row.fields}")


def are_blank(columns: Iterable[Any]) -> Flags:
    """Return in which rows all of these columns are empty, bool (n,)."""
    blank: Flags = np.logical_and.reduce([equal(column, "") for column in columns])
    return blank


def equal(column: Any, text: str) -> Flags:
    """Return which cells are a text, bool (n,)."""
    return np.asarray(pc.equal(column, text))


def match(column: Any, pattern: str) -> Flags:
    """Return in which cells an expression is found, bool (n,)."""
    return np.asarray(pc.match_substring_regex(column, pattern))


def _find_line(text: str, mark: str, number: int) -> int:
    """Return the line on which the row of a number begins."""
    reader = csv.reader(StringIO(text, newline=""), delimiter=mark)
    line = 1
    with suppress(csv.Error):  # of a field that is longer than Python's reader takes
        for row in reader:
            number -= bool(row)
            if number == 0:
                break
            line = reader.line_num + 1
    return line
