"""Daily bars from a folder: one CSV as Yahoo exports it, or one Parquet file, for each ticker.

The columns are `Date,Open,High,Low,Close` and, where there, `Volume`, `Dividends` and
`Stock Splits`; `Adj Close` and others are not read. Close is expected split-adjusted and not
dividend-adjusted. An index has no volume: a missing Volume column is read as zeros. An empty
price or volume is a hole, NaN; an empty dividend or split is none.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from datetime import date
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.bars import (
    LONGEST_LABEL,
    ORIGIN_FILE,
    PRICES,
    Floats,
    RawBars,
    Sessions,
    parse_label,
    select_span,
)
from pipeline.errors import ConfigError, DataError, Reason, SourceUnavailable
from pipeline.ports import Reading

NEEDED = ("Date", "Open", "High", "Low", "Close")
NUMBERS = (*NEEDED[1:], "Volume", "Dividends", "Stock Splits")
LARGEST = 32 * 2**20  # bytes of a file, as stored and as read; a century of days has 2 million
HOLES = frozenset({"", "null", "nan"})

Table = tuple[Sessions, dict[str, Floats]]  # the sessions and the columns of NUMBERS there are


class FolderBars:
    """A folder with one `TICKER.csv` or `TICKER.parquet` each; fulfils `pipeline.ports.BarSource`.

    Both there, the CSV is read. An index like ^VIX may lie under its name without the caret.
    `label` is the text of `origin.txt`, or `folder`: a path does not say where bars come from.

    Raises
    ------
    ConfigError
        When the folder does not exist or cannot be listed, or its origin.txt is no label.
    """

    def __init__(self, folder: Path) -> None:
        try:
            next(folder.iterdir(), None)
            origin = _read_origin(folder / ORIGIN_FILE)
        except OSError as exc:
            raise ConfigError(f"expected a folder of bars at {folder}, got: {exc}") from exc
        self._folder = folder
        self.label = parse_label(origin, str(folder / ORIGIN_FILE))

    def read(self, tickers: Sequence[str], first: date, last: date) -> Reading:
        """Return each ticker's bars from `first` to `last`, or why its file gives none."""
        bars: dict[str, RawBars] = {}
        failures: dict[str, DataError] = {}
        for ticker in tickers:
            try:
                bars[ticker] = select_span(self._read_ticker(ticker), first, last)
            except DataError as exc:
                failures[ticker] = exc
        return Reading(bars, failures)

    def _read_ticker(self, ticker: str) -> RawBars:
        path = self._find_file(ticker)
        try:
            _check_bytes(path.stat().st_size)
            session, numbers = _read_parquet(path) if path.suffix == ".parquet" else _read_csv(path)
        except (OSError, ValueError, csv.Error, pa.ArrowException) as exc:
            raise SourceUnavailable(f"{path.name}: {exc!s:.500}", Reason.UNREADABLE) from exc
        none = np.zeros(len(session))
        return RawBars(
            ticker=ticker,
            session=session,
            **{name: numbers[name.capitalize()] for name in PRICES},
            volume=numbers.get("Volume", none),
            dividend=np.nan_to_num(numbers.get("Dividends", none)),
            split=np.nan_to_num(numbers.get("Stock Splits", none)),
        )

    def _find_file(self, ticker: str) -> Path:
        stems = dict.fromkeys((ticker, ticker.removeprefix("^")))
        names = [f"{stem}{suffix}" for stem in stems for suffix in (".csv", ".parquet")]
        for name in names:
            # A ticker is part of a file's name, never a way out of the folder.
            if Path(name).name == name and (self._folder / name).is_file():
                return self._folder / name
        raise SourceUnavailable(
            f"{ticker}: expected one of {', '.join(names)} in {self._folder}, got none of them",
            Reason.UNKNOWN_TICKER,
        )


def _read_origin(path: Path) -> bytes:
    """Return what the file says, and not much more than a label has; `folder` without the file."""
    if path.exists() and not path.is_file():
        raise ConfigError(f"{path}: expected a text file, got something else")
    with path.open("rb") if path.exists() else BytesIO(b"folder") as file:
        return file.read(LONGEST_LABEL + 1)


def _read_csv(path: Path) -> Table:
    """Return a CSV's table; raises ValueError with the line, what was expected and received."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file)
        header = [name.strip() for name in next(reader, [])]
        _check_header(header)
        rows, lines, line = [], [], reader.line_num + 1
        for row in reader:
            if row and len(row) != len(header):
                raise ValueError(f"line {line}: expected {len(header)} fields, got {len(row)}")
            if row:
                rows.append(row)
                lines.append(line)
            line = reader.line_num + 1
    cells = {name: [row[at] for row in rows] for at, name in enumerate(header)}
    numbers = {name: _parse_numbers(name, cells[name], lines) for name in NUMBERS if name in cells}
    return _parse_dates(cells["Date"], lines), numbers


def _read_parquet(path: Path) -> Table:
    """Return a Parquet file's table; raises ValueError with the column and what was expected."""
    with pq.ParquetFile(path) as file:
        groups = [file.metadata.row_group(at) for at in range(file.metadata.num_row_groups)]
        _check_bytes(sum(group.total_byte_size for group in groups) + 8 * file.metadata.num_rows)
        _check_header(names := file.schema_arrow.names)
        wanted = [name for name in ("Date", *NUMBERS) if name in names]
        frame = file.read(wanted, use_threads=False).to_pandas(ignore_metadata=True)
    numbers = {name: _convert_numbers(frame[name]) for name in NUMBERS if name in frame}
    return _convert_dates(frame["Date"]), numbers


def _check_bytes(size: int) -> None:
    if size > LARGEST:
        raise ValueError(f"expected at most {LARGEST} bytes, got {size}")


def _check_header(header: Sequence[str]) -> None:
    if missing := [name for name in NEEDED if name not in header]:
        raise ValueError(
            f"expected the columns {', '.join(NEEDED)}; missing {', '.join(missing)}; "
            f"got {', '.join(header) or 'none'}"
        )


def _parse_numbers(name: str, cells: Sequence[str], lines: Sequence[int]) -> Floats:
    values = [_parse_number(name, cell, line) for cell, line in zip(cells, lines, strict=True)]
    return np.array(values, np.float64)


def _parse_number(name: str, cell: str, line: int) -> float:
    try:
        return float(cell)
    except ValueError:
        if cell.strip().lower() in HOLES:
            return np.nan
        raise ValueError(f"line {line}, {name}: expected a number, got {cell!r}") from None


def _parse_dates(cells: Sequence[str], lines: Sequence[int]) -> Sessions:
    days = [_parse_day(cell, line) for cell, line in zip(cells, lines, strict=True)]
    return np.array(days, "datetime64[D]")


def _parse_day(cell: str, line: int) -> date:
    # A time or zone after the date is the exchange's own: the date before it is the session.
    try:
        day, rest = date.fromisoformat(cell[:10]), cell[10:]
    except ValueError:
        day, rest = None, cell
    if day is None or rest[:1] not in ("", " ", "T"):
        raise ValueError(f"line {line}, Date: expected YYYY-MM-DD, got {cell!r}")
    return day


def _convert_dates(column: pd.Series) -> Sessions:
    if pd.api.types.is_numeric_dtype(column):
        raise ValueError(f"column Date: expected dates, got {column.dtype}")
    stamps = pd.to_datetime(column.str[:10] if pd.api.types.is_string_dtype(column) else column)
    if stamps.isna().any():
        raise ValueError(f"column Date: expected dates, got none in row {stamps.isna().argmax()}")
    return stamps.dt.tz_localize(None).to_numpy().astype("datetime64[D]")


def _convert_numbers(column: pd.Series) -> Floats:
    try:
        return pd.to_numeric(column).to_numpy(np.float64, na_value=np.nan)
    except (TypeError, ValueError) as exc:
        raise ValueError(f"column {column.name}: expected numbers, got: {exc}") from exc
