"""Export files: rows of the record as CSV, Parquet or an Excel workbook."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pipeline.adapters.csv_text import write_csv
from pipeline.cli import console
from pipeline.cli.whole_file import writing
from pipeline.columns import Columns, name_moments
from pipeline.errors import ConfigError
from pipeline.ports import Tables

STDOUT = "-"


@dataclass(frozen=True, slots=True)
class Export:
    """Rows on their way into a file, with what is to know of them."""

    table: str
    rows: Columns
    notes: Mapping[str, str]
    tables: Tables


Writer = Callable[[Export, BinaryIO], None]


def find_writer(out: str) -> Writer:
    """Return what writes a file of that name; raises ConfigError for one of another kind."""
    suffix = ".csv" if out == STDOUT else Path(out).suffix.lower()
    if suffix not in WRITERS:
        raise ConfigError(f"--out: expected a file named {', '.join(WRITERS)} or -, got {out!r}")
    if suffix == ".xlsx":
        _import_workbooks()
    return WRITERS[suffix]


def write_export(write: Writer, export: Export, out: str, *, force: bool) -> None:
    """Write an export to a file, whole or not at all, or to stdout."""
    if out == STDOUT:
        text = io.BytesIO()
        write(export, text)
        console.print_text(text.getvalue().decode())
        return
    with writing(Path(out), force=force) as file:
        write(export, file)


def _write_csv(export: Export, file: BinaryIO) -> None:
    text = io.TextIOWrapper(file, "utf-8", newline="")
    write_csv(name_moments(export.rows), text)
    text.detach()


def _write_parquet(export: Export, file: BinaryIO) -> None:
    file.write(export.tables.encode(export.table, export.rows, export.notes))


def _write_workbook(export: Export, file: BinaryIO) -> None:
    rows = name_moments(export.rows)
    _import_workbooks()(rows, export.table, export.notes, file)


def _import_workbooks() -> Callable[..., None]:
    try:
        from pipeline.adapters.excel_workbook import write_workbook  # noqa: PLC0415
    except ModuleNotFoundError as exc:
        raise ConfigError(
            f"--out: expected openpyxl, which writes .xlsx, got: {exc}; pip install '.[desk]', or "
            "write .csv or .parquet"
        ) from exc
    return write_workbook


WRITERS = {".csv": _write_csv, ".parquet": _write_parquet, ".xlsx": _write_workbook}
