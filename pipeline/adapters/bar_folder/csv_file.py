"""CSV: one ticker's bars as Yahoo exports them."""

from __future__ import annotations

import csv
from io import StringIO
from typing import Any

from pipeline.adapters.bar_folder.columns import (
    DATE,
    NUMBERS,
    Table,
    check_header,
    parse_days,
    parse_numbers,
)
from pipeline.adapters.bar_folder.text import decode_text


def read_csv(data: bytes) -> Table:
    """Return a CSV's table; raises ValueError with the line, what was expected and received."""
    reader = csv.reader(StringIO(decode_text(data), newline=""))
    try:
        header = [name.strip() for name in next(reader, [])]
        check_header(header)
        rows, lines = _read_rows(reader, len(header))
    except csv.Error as exc:
        raise ValueError(f"line {reader.line_num}: expected CSV, got: {exc}") from exc
    cells = {name: [row[at] for row in rows] for at, name in enumerate(header)}
    numbers = {name: parse_numbers(name, cells[name], lines) for name in NUMBERS if name in cells}
    return parse_days(cells[DATE], lines), numbers


def _read_rows(reader: Any, width: int) -> tuple[list[list[str]], list[str]]:
    """Return the rows that are not empty, and the line that each begins on."""
    rows, lines, line = [], [], reader.line_num + 1
    for row in reader:
        if row and len(row) != width:
            raise ValueError(f"line {line}: expected {width} fields, got {len(row)}")
        if row:
            rows.append(row)
            lines.append(f"line {line}")
        line = reader.line_num + 1
    return rows, lines
