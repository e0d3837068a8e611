"""Tables as CSV that a spreadsheet opens as what it is: dates are dates, and no text is a formula.

A spreadsheet runs a cell that begins with one of `=+-@` as a formula, so a text that does gets an
apostrophe in front, by which spreadsheets know text (OWASP, "CSV injection"). Numbers stay as they
are.
"""

from __future__ import annotations

import csv
from datetime import date, datetime
from typing import Any, TextIO

from pipeline.columns import Columns, iterate_rows
from pipeline.encoding import to_line

FORMULA = ("=", "+", "-", "@")


def write_csv(columns: Columns, file: TextIO) -> None:
    """Write a table with its names above it.

    Days are `2025-06-30`, moments `2025-06-30 20:30:00`, numbers whole, what is missing is empty.
    """
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_to_cell(value) for value in row] for row in iterate_rows(columns))


def _to_cell(value: Any) -> str:
    if value is None or value != value:  # noqa: PLR0124 - NaN alone differs from itself
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, str):
        return escape_text(value)
    if isinstance(value, datetime):
        return value.isoformat(" ", "milliseconds" if value.microsecond else "seconds")
    return value.isoformat() if isinstance(value, date) else repr(value)


def escape_text(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula, in one line."""
    line = to_line(text)
    return f"'{line}" if line.lstrip().startswith(FORMULA) else line
