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
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.bars import ORIGIN_FILE, Floats, RawBars, Sessions
from pipeline.errors import ConfigError, DataError, Reason, SourceUnavailable, StaleBars
from pipeline.ports import Reading

NEEDED = ("Date", "Open", "High", "Low", "Close")
NUMBERS = (*NEEDED[1:], "Volume", "Dividends", "Stock Splits")
HOLES = frozenset({"", "null", "nan"})

Table = tuple[Sessions, dict[str, Floats]]  # the sessions and the columns of NUMBERS there are


class FolderBars:
    """A folder with one `TICKER.csv` or `TICKER.parquet` each; fulfils `pipeline.ports.BarSource`.

    Both there, the CSV is read. An index like ^VIX may lie under its name without the caret.

    Raises
    ------
    ConfigError
        When the folder does not exist or cannot be listed.
    """

    def __init__(self, folder: Path) -> None:
        try:
            next(folder.iterdir(), None)
        except OSError as exc:
            raise ConfigError(f"expected a folder of bars at {folder}, got: {exc}") from exc
        self._folder = folder

    @property
    def label(self) -> str:
        """Name of the source, shown wherever its bars are."""
        name = f"folder {self._folder.resolve().name}"
        try:
            return f"{name}, from {(self._folder / ORIGIN_FILE).read_text('utf-8').strip()}"
        except OSError:
            return name

    def read(self, tickers: Sequence[str], first: date, last: date) -> Reading:
        """Return each ticker's bars from `first` to `last`, or why its file gives none."""
        bars: dict[str, RawBars] = {}
        failures: dict[str, DataError] = {}
        for ticker in tickers:
            try:
                bars[ticker] = _select_span(self._read_ticker(ticker), first, last)
            except DataError as exc:
                failures[ticker] = exc
        return Reading(bars, failures)

    def _read_ticker(self, ticker: str) -> RawBars:
        path = self._find_file(ticker)
        try:
            session, numbers = _read_parquet(path) if path.suffix == ".parquet" else _read_csv(path)
        except (OSError, ValueError, csv.Error) as exc:
            raise SourceUnavailable(f"{path.name}: {exc}", Reason.UNREADABLE) from exc
        none = np.zeros(len(session))
        return RawBars(
            ticker=ticker,
            session=session,
            open=numbers["Open"],
            high=numbers["High"],
            low=numbers["Low"],
            close=numbers["Close"],
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
            f"{ticker}: expected one of {', '.join(names)} in {self.label}, got none of them",
            Reason.UNKNOWN_TICKER,
        )


def _select_span(bars: RawBars, first: date, last: date) -> RawBars:
    if len(bars) and bars.session.max() < np.datetime64(first):
        raise StaleBars(
            f"{bars.ticker}: expected a bar of {last}, newest is of {bars.session.max()}"
        )
    return bars.since(first).as_of(last)


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
    frame = pd.read_parquet(path)
    if "Date" not in frame:
        frame = frame.reset_index()
    _check_header(list(map(str, frame.columns)))
    numbers = {name: _convert_numbers(frame[name]) for name in NUMBERS if name in frame}
    return _convert_dates(frame["Date"]), numbers


def _check_header(header: Sequence[str]) -> None:
    missing = [name for name in NEEDED if name not in header]
    if missing:
        raise ValueError(
            f"expected the columns {', '.join(NEEDED)}; missing {', '.join(missing)}; "
            f"got {', '.join(header) or 'none'}"
        )


def _parse_numbers(name: str, cells: Sequence[str], lines: Sequence[int]) -> Floats:
    try:
        return np.array([float(cell) for cell in cells], np.float64)
    except ValueError:
        values = [_parse_number(name, cell, line) for cell, line in zip(cells, lines, strict=True)]
        return np.array(values, np.float64)


def _parse_number(name: str, cell: str, line: int) -> float:
    if cell.strip().lower() in HOLES:
        return np.nan
    try:
        return float(cell)
    except ValueError:
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
