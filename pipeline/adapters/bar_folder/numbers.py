"""Numbers: how a whole file writes them, point or comma, and what its cells say then.

`1,234` and `1.234` are one number or the other. All prices and volumes of a file together decide,
and whether open and close then lie between low and high; where several readings are left that give
other numbers, the file is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.adapters.bar_folder.columns import PRICES, NameRow, parse_numbers
from pipeline.bars import OHLC_TOLERANCE, Floats

EMPTY = ["", "-", "--", "null", "nan", "n/a", "#n/a", "none"]
CURRENCIES = r"^[$€£¥]\s*|\s*[$€£¥]$"
TIMES = {"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}
SPACES = r"[ '’\x{a0}\x{202f}]"
WHAT_TO_DO = (
    "write numbers with a decimal point and nothing between thousands, days as YYYY-MM-DD, "
    "under Date,Open,High,Low,Close,Volume: then nothing is guessed"
)
Columns = Mapping[str, Any]  # column's name -> pyarrow strings (n,)


@dataclass(frozen=True, slots=True)
class Convention:
    """How numbers are written: what is before decimals, what is between thousands, in words."""

    decimal: str
    thousands: str
    words: str

    def are_written(self, cells: Any) -> Any:
        """Return whether each cell that is not null is a number written so, pyarrow bool (n,)."""
        whole = r"\d+"
        if self.thousands:
            whole = rf"(?:[1-9]\d{{0,2}}(?:{self.thousands}\d{{3}})+|\d+)"
        decimal = rf"\{self.decimal}"
        number = rf"(?:{whole}(?:{decimal}\d*)?|{decimal}\d+)(?:[eE][+-]?\d+)?"
        return pc.match_substring_regex(cells, rf"^[+-]?{number}$")

    def read(self, cells: Any) -> Floats:
        """Return cells that are written so as numbers, float64 (n,), NaN where null."""
        if self.thousands:
            cells = pc.replace_substring_regex(cells, self.thousands, "")
        if self.decimal != ".":
            cells = pc.replace_substring(cells, self.decimal, ".")
        cells = pc.replace_substring_regex(cells, r"^\+|\.$", "")  # which the cast does not take
        return np.array(pc.cast(cells, pa.float64()).to_numpy(zero_copy_only=False), np.float64)


POINT = (
    Convention(".", "", ""),
    Convention(".", ",", "commas between thousands"),
    Convention(".", SPACES, "spaces or ' between thousands"),
)
CONVENTIONS = (
    *POINT,
    Convention(",", "", "decimal comma"),
    Convention(",", r"\.", "decimal comma, points between thousands"),
    Convention(",", SPACES, "decimal comma, spaces or ' between thousands"),
)


def read_plain_numbers(columns: Columns, name_line: NameRow) -> tuple[dict[str, Floats], str]:
    """Return columns as numbers with a decimal point, or as `read_numbers` where they are not."""
    try:
        return {name: _read_plain(name, cells, name_line) for name, cells in columns.items()}, ""
    except ValueError:
        return read_numbers(columns, name_line, point=False)


def _read_plain(name: str, cells: Any, name_line: NameRow) -> Floats:
    if pc.all(POINT[0].are_written(cells)).as_py():
        return POINT[0].read(cells)
    return parse_numbers(name, cells.to_pylist(), name_line)


def read_numbers(
    columns: Columns, name_line: NameRow, *, point: bool
) -> tuple[dict[str, Floats], str]:
    """Return columns as numbers, NaN where a cell is empty, and in words how they are written.

    Parameters
    ----------
    columns : the prices under their own names, in order, and others
    name_line : gives the line of a row in words
    point : whether the decimal point is known

    Raises
    ------
    ValueError
        For a cell that is no number, or a file that can be read in two ways.
    """
    cells, factors = {}, {}
    for name, column in columns.items():
        cells[name], factors[name] = _strip(column)
    fits = [
        convention
        for convention in (POINT if point else CONVENTIONS)
        if all(pc.all(convention.are_written(column)).as_py() is not False
               for column in cells.values())
    ]  # fmt: skip
    if not fits:
        raise _refuse_cell(columns, cells, name_line, point=point)
    readings = [
        (convention, {name: convention.read(column) for name, column in cells.items()})
        for convention in fits
    ]
    convention, numbers = _choose(columns, readings, name_line)
    return {name: _multiply(numbers[name], factors[name]) for name in numbers}, convention.words


def _multiply(values: Floats, factors: Floats) -> Floats:
    """Return numbers times the K, M, B or T behind them: whole, as what is counted so is."""
    return np.where(factors > 1, np.round(values * factors), values)


def _strip(column: Any) -> tuple[Any, Floats]:
    """Return cells without currencies, null where empty, and what K, M, B or T multiply them by."""
    holes = pc.is_in(pc.utf8_lower(column), value_set=pa.array(EMPTY))
    cells = pc.if_else(holes, pa.scalar(None, pa.string()), column)
    cells = pc.replace_substring_regex(cells, CURRENCIES, "")
    factors = np.ones(len(cells))
    for letter, times in TIMES.items():
        ends = pc.match_substring_regex(cells, rf"\d{letter}$", ignore_case=True)
        factors[np.asarray(pc.fill_null(ends, False))] = times
    if (factors > 1).any():
        cells = pc.replace_substring_regex(cells, r"(\d)[KMBTkmbt]$", r"\1")
    return cells, factors


def _choose(
    columns: Columns, readings: list[tuple[Convention, dict[str, Floats]]], name_line: NameRow
) -> tuple[Convention, dict[str, Floats]]:
    """Return the first reading where all give the same numbers, or all others cannot be prices."""
    other = [reading for reading in readings[1:] if not _are_equal(reading[1], readings[0][1])]
    if other and (plausible := [r for r in readings if _are_plausible(r[1])]):
        readings = plausible
        other = [reading for reading in readings[1:] if not _are_equal(reading[1], readings[0][1])]
    if not other:
        return readings[0]
    name, row = _find_difference(readings[0][1], other[0][1])
    cell = columns[name][row].as_py()
    both = " or ".join(f"{numbers[name][row]:.10g}" for _, numbers in (readings[0], other[0]))
    raise ValueError(
        f"{name_line(row)}, {name}: {cell!r} may be {both}, and no other number of the file says "
        f"which; {WHAT_TO_DO}"
    )


def _are_equal(one: Mapping[str, Floats], other: Mapping[str, Floats]) -> bool:
    return all(np.array_equal(one[name], other[name], equal_nan=True) for name in one)


def _find_difference(one: Mapping[str, Floats], other: Mapping[str, Floats]) -> tuple[str, int]:
    for name, values in one.items():
        differ = (values != other[name]) & ~np.isnan(values)
        if differ.any():
            return name, int(np.argmax(differ))
    raise ValueError("expected two readings that differ, got equal ones")


def _are_plausible(numbers: Mapping[str, Floats]) -> bool:
    """Whether the prices, the first four columns, all lie between low and high."""
    open_, high, low, close = list(numbers.values())[: len(PRICES)]
    top, bottom = np.fmax(open_, close), np.fmin(open_, close)
    inside = (top <= high * (1 + OHLC_TOLERANCE)) & (bottom >= low * (1 - OHLC_TOLERANCE))
    unknown = np.isnan(high) | np.isnan(low) | np.isnan(top)
    return bool((inside | unknown).all())


def _refuse_cell(
    columns: Columns, cells: Columns, name_line: NameRow, *, point: bool
) -> ValueError:
    """Return the error of the first cell that is no number as most of the file writes them."""

    def list_odd(convention: Convention) -> list[tuple[str, int]]:
        return [
            (name, int(row))
            for name, column in cells.items()
            for row in np.flatnonzero(
                ~np.asarray(pc.fill_null(convention.are_written(column), True))
            )
        ]

    name, row = min((list_odd(c) for c in (POINT if point else CONVENTIONS)), key=len)[0]
    cell = columns[name][row].as_py()
    return ValueError(f"{name_line(row)}, {name}: expected a number, got {cell[:50]!r}")
