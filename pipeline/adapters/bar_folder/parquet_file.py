"""Parquet: bars by the types that pandas and others give their columns, of one ticker or many."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.adapters.bar_folder.arrow_columns import cast_numbers, convert_days, convert_numbers
from pipeline.adapters.bar_folder.columns import (
    CURRENCY,
    DATE,
    NUMBERS,
    TICKER,
    Sheet,
    choose_currency,
)
from pipeline.adapters.bar_folder.dialects import find_dialect
from pipeline.adapters.bar_folder.finish import finish
from pipeline.adapters.bar_folder.groups import Rows, group_rows
from pipeline.bars import PRICES, Flags, RawBars

# What pyarrow raises at a file that is damaged, or that nobody meant for it.
PYARROW_ERRORS = (pa.ArrowException, OSError, ValueError, LookupError, TypeError, ArithmeticError)


class ParquetFile:
    """A Parquet file; of one that names tickers, the rows of those wanted are read, and once.

    Parameters
    ----------
    data : its bytes
    most, most_of_many : bytes that may be read of a file, and of one that names tickers
    is_wanted : whether a ticker of the file is to be read

    Raises
    ------
    ValueError
        On construction and in `read`, with the column, what was expected and received.
    """

    def __init__(
        self, data: bytes, most: int, most_of_many: int, is_wanted: Callable[[str], bool]
    ) -> None:
        self._data, self._is_wanted = data, is_wanted
        self._ours: dict[str, str] = {}
        with _translate_errors(), self._open() as file:
            names = file.schema_arrow.names
            self._dialect = find_dialect(names)
            self._ours = {ours: names[at] for ours, at in self._dialect.match(names).items()}
            of_many = TICKER in self._ours
            _check_extent(file.metadata, most_of_many if of_many else most)

    @cached_property
    def tickers(self) -> tuple[str, ...]:
        """The tickers that the file itself names."""
        return tuple(self._rows_of)

    def read(self, ticker: str) -> Sheet:
        """Return the bars of a ticker that the file names, or of the only one."""
        with _translate_errors():
            table, rows = self._tables.get(ticker) or self._tables[""]
            name_row = partial(_name_row, rows)
            ours = self._ours
            numbers = {
                name: convert_numbers(name, table.column(ours[name]), name_row)
                for name in NUMBERS
                if name in ours
            }
            days = convert_days(table.column(ours[DATE]), name_row)
            money = table.column(ours[CURRENCY]).unique().to_pylist() if CURRENCY in ours else ()
            sheet = Sheet(days, numbers, self._dialect.name, currency=choose_currency(money))
            return finish(sheet, self._dialect)

    @cached_property
    def _rows_of(self) -> Mapping[str, Rows]:
        """Ticker -> its rows, where a column names tickers."""
        name = self._ours.get(TICKER)
        if name is None:
            return {}
        with _translate_errors(), self._open() as file:
            return group_rows(file.read([name], use_threads=False).column(0))

    @cached_property
    def _tables(self) -> Mapping[str, tuple[Any, Rows]]:
        """Ticker -> its rows as a table, and their numbers; under "" that of a file of one."""
        columns = [name for ours, name in self._ours.items() if ours != TICKER]
        with self._open() as file:
            if not self._rows_of:
                table = file.read(columns, use_threads=False)
                return {"": (table, np.arange(table.num_rows))}
            wanted = {name: rows for name, rows in self._rows_of.items() if self._is_wanted(name)}
            keep = np.zeros(file.metadata.num_rows, bool)
            keep[np.concatenate([*wanted.values(), np.empty(0, np.int64)])] = True
            table = cast_numbers(_read_rows(file, columns, keep))
        places = np.cumsum(keep) - 1
        return {name: (_select(table, places[rows]), rows) for name, rows in wanted.items()}

    def _open(self) -> Any:
        # A name that is in every row is in memory once.
        repeated = [self._ours[name] for name in (TICKER, CURRENCY) if name in self._ours]
        return pq.ParquetFile(pa.BufferReader(self._data), read_dictionary=repeated or None)


def encode_parquet(bars: RawBars, currency: str | None = None) -> bytes:
    """Return bars as a Parquet file, which reads back to the same, with their currency if known."""
    columns = {name.capitalize(): getattr(bars, name) for name in (*PRICES, "volume")}
    events = {"Dividends": bars.dividend, "Stock Splits": bars.split}
    sink = pa.BufferOutputStream()
    known = {CURRENCY: [currency] * len(bars)} if currency else {}
    pq.write_table(pa.table({DATE: pa.array(bars.session), **columns, **events, **known}), sink)
    return bytes(sink.getvalue())


@contextmanager
def _translate_errors() -> Iterator[None]:
    try:
        yield
    except PYARROW_ERRORS as exc:
        if type(exc) is ValueError:
            raise
        raise ValueError(f"expected a Parquet file, got {type(exc).__name__}: {exc}") from exc


def _read_rows(file: Any, columns: Sequence[str], keep: Flags) -> Any:
    """Return the rows to keep, bool (n,), of some columns; a group without any is passed by."""
    pieces, start = [file.schema_arrow.empty_table().select(columns)], 0
    for at in range(file.metadata.num_row_groups):
        end = start + file.metadata.row_group(at).num_rows
        if keep[start:end].any():
            group = file.read_row_group(at, columns, use_threads=False)
            pieces.append(group.filter(pa.array(keep[start:end])))
        start = end
    return pa.concat_tables(pieces).combine_chunks()


def _select(table: Any, rows: Rows) -> Any:
    """Return some rows of a table, without a copy where they lie together."""
    together = len(rows) and rows[-1] - rows[0] == len(rows) - 1 and (np.diff(rows) == 1).all()
    return table.slice(rows[0], len(rows)) if together else table.take(pa.array(rows))


def _name_row(rows: Rows, at: int) -> str:
    return f"row {rows[at]}"


def _check_extent(metadata: Any, most_bytes: int) -> None:
    groups = [metadata.row_group(at) for at in range(metadata.num_row_groups)]
    rows = max(metadata.num_rows, sum(group.num_rows for group in groups))
    if (size := sum(group.total_byte_size for group in groups) + 8 * rows) > most_bytes:
        raise ValueError(f"expected at most {most_bytes} bytes, got {size}")
