"""Columns: a table as arrays by name, and what is done with its rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.bars import Flags
from pipeline.errors import StoreError

Columns = Mapping[str, NDArray[Any]]
NO_ROWS = np.empty(0, np.int64)
MOMENT = np.dtype("datetime64[ms]")  # in UTC

_FORECASTS = (
    "ticker origin_date target_date horizon last_close prediction lower_50 upper_50 lower_80 "
    "upper_80 lower_90 upper_90 lower_95 upper_95 lower_98 upper_98 sigma es_975 status mode "
    "model_version vintage_sha256 issued_at"
)
_SCORES = (
    "ticker origin_date target_date horizon model mode in_sample realised_close realised_return "
    "error pit crps interval_score_80 interval_score_95 covered_50 covered_80 covered_90 "
    "covered_95 covered_98 lower_95 upper_95 model_version"
)
# A backtest issues nothing, so it says nothing of that.
_BACKTEST_SCORES = _SCORES.replace("mode in_sample ", "").replace("lower_95 upper_95 ", "")
_OF_DRAW = "energy_score variogram_score realised crps var_950 var_975 var_990 es_950 es_975 es_990"
# The columns of each table, in order.
TABLES = {
    "bars": "ticker session open high low close volume dividend split",
    "forecasts": _FORECASTS,
    "baselines": f"{_FORECASTS} model",
    "scores": _SCORES,
    "backtest_scores": _BACKTEST_SCORES,
    "scenarios": "scenario ticker origin_date target_date horizon log_return price mode "
    "model_version vintage_sha256",
    "templates": "ticker origin_date horizon pit",
    "scenario_scores": "portfolio n_tickers origin_date target_date horizon part model mode "
    f"in_sample {_OF_DRAW} exceeded_950 exceeded_975 exceeded_990 model_version",
    "backtest_scenario_scores": f"portfolio origin_date target_date horizon model {_OF_DRAW}",
}


def concatenate(parts: Sequence[Columns]) -> dict[str, NDArray[Any]]:
    """Return tables of equal columns as one, rows in the order given; at least one table."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def where(table: Columns, rows: Flags) -> dict[str, NDArray[Any]]:
    """Return the rows of a table for which `rows` bool (n,) is True."""
    return {name: column[rows] for name, column in table.items()}


def take(table: Columns, rows: Sequence[int] | NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """Return the rows of a table by their numbers, in that order."""
    numbers = np.asarray(rows, np.int64)
    return {name: column[numbers] for name, column in table.items()}


def group_rows(values: NDArray[Any]) -> dict[Any, NDArray[np.int64]]:
    """Return the rows of each value, increasing, values as they come.

    Rows of a value mostly lie together, so that runs of them are looked at and not rows.
    """
    if not len(values):
        return {}
    starts = np.flatnonzero(np.append(True, values[1:] != values[:-1]))
    numbers: dict[Any, int] = {}
    of_run = [numbers.setdefault(values[start], len(numbers)) for start in starts.tolist()]
    of_row = np.repeat(of_run, np.diff(np.append(starts, len(values))))
    rows = np.argsort(of_row, kind="stable")
    ends = np.cumsum(np.bincount(of_row)).tolist()
    return {
        value: rows[start:end]
        for value, start, end in zip(numbers, [0, *ends[:-1]], ends, strict=True)
    }


def check_columns(table: str, expected: Mapping[str, np.dtype[Any]], columns: Columns) -> None:
    """Raise StoreError unless the columns are those expected, one value a row each."""
    if missing := [name for name in expected if name not in columns]:
        raise StoreError(f"{table}: expected columns {missing}, got {list(columns)}")
    if unexpected := [name for name in columns if name not in expected]:
        raise StoreError(f"{table}: expected columns {list(expected)}, got {unexpected} besides")
    shape = (columns[next(iter(expected))].size,)
    for name, dtype in expected.items():
        received = columns[name]
        if received.shape != shape or received.dtype != dtype:
            raise StoreError(
                f"{table}: expected {name} as {dtype} of shape {shape}, "
                f"got {received.dtype} of shape {received.shape}"
            )


def iterate_rows(table: Columns, at_once: int = 10_000) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a table as Python's own values, a few thousand in memory at a time."""
    n = len(next(iter(table.values())))
    for first in range(0, n, at_once):
        columns = (column[first : first + at_once].tolist() for column in table.values())
        yield from zip(*columns, strict=True)


def name_moments(table: Columns) -> Columns:
    """Return the table for readers without time zones: names of moments say that they are UTC."""
    moments = {name for name, column in table.items() if column.dtype == MOMENT}
    return {f"{n}_utc" if n in moments else n: column for n, column in table.items()}
