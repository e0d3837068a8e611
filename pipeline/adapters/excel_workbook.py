"""Tables as Excel workbooks, by openpyxl: dates are dates, text is never a formula."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, BinaryIO

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter

from pipeline.columns import Columns, iterate_rows
from pipeline.encoding import to_line
from pipeline.errors import ConfigError

MOST_ROWS = 1_048_576  # of a sheet, its head among them
WIDEST = 24
# As people read prices: in cents, and below one of what they are in with the digits there are.
PRICES = re.compile("last_close|prediction|realised_close|(lower|upper)_[0-9]+")
PRICE_FORMAT = "[>=1]#,##0.00;0.00######"


def write_workbook(columns: Columns, title: str, notes: Mapping[str, str], file: BinaryIO) -> None:
    """Write a workbook of two sheets: the table under a frozen head, and what is to know of it.

    Moments have no zone in a workbook. What is missing is an empty cell.

    Raises
    ------
    ConfigError
        For more rows than a sheet has.
    """
    n = len(next(iter(columns.values())))
    if n >= MOST_ROWS:
        raise ConfigError(
            f"--out: expected at most {MOST_ROWS - 1:,} rows, which is what a sheet of Excel "
            f"holds, got {n:,}; narrow them by TICKER, --from and --to, or write .parquet or .csv"
        )
    workbook = Workbook(write_only=True)
    _fill_table(workbook, title, columns)
    _fill_notes(workbook, notes)
    workbook.save(file)


def _fill_table(workbook: Any, title: str, columns: Columns) -> None:
    sheet = workbook.create_sheet(title)
    sheet.freeze_panes = "A2"
    for at, name in enumerate(columns, start=1):
        sheet.column_dimensions[get_column_letter(at)].width = min(max(len(name) + 2, 12), WIDEST)
    sheet.append([_head(sheet, name) for name in columns])
    makers = [_to_price if PRICES.fullmatch(name) else _to_cell for name in columns]
    for row in iterate_rows(columns):
        sheet.append([make(sheet, value) for make, value in zip(makers, row, strict=True)])
    rows = len(next(iter(columns.values())))
    sheet.auto_filter.ref = f"A1:{get_column_letter(len(columns))}{rows + 1}"


def _fill_notes(workbook: Any, notes: Mapping[str, str]) -> None:
    sheet = workbook.create_sheet("notes")
    sheet.column_dimensions["A"].width, sheet.column_dimensions["B"].width = 16, 100
    for name, text in notes.items():
        sheet.append([_head(sheet, name), _to_cell(sheet, text)])


def _head(sheet: Any, name: str) -> Any:
    cell = _to_cell(sheet, name)
    cell.font = Font(bold=True)
    return cell


def _to_price(sheet: Any, value: Any) -> Any:
    """Return a price as a number that is shown as one."""
    cell = WriteOnlyCell(sheet, _to_cell(sheet, value))
    cell.number_format = PRICE_FORMAT
    return cell


def _to_cell(sheet: Any, value: Any) -> Any:
    """Return what openpyxl takes: nothing for NaN, and text that is said to be text."""
    if isinstance(value, str):
        cell = WriteOnlyCell(sheet, to_line(value))
        cell.data_type = "s"  # else `=` makes a formula of it
        return cell
    return None if value is None or value != value else value  # noqa: PLR0124 - NaN is not itself
