"""Compare: an object made again beside the one that is stored.

Another processor may round a number to the next step of the grid, seldom. That is no change; a
number further off is, and so is any difference in what is no number.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec
import numpy as np

from pipeline.columns import Columns
from pipeline.errors import StoreError
from pipeline.grid import are_neighbours, round_decimals, round_digits
from pipeline.ports import Tables
from pipeline.record.state import State

# Columns that are prices, or what they begin with: they have digits, all others decimals.
PRICES = ("last_close", "prediction", "lower_", "upper_", "realised_close")
TABLES = ("forecasts", "baselines", "scores", "scenario_scores")
STATES = "calibration"


class Comparison(StrEnum):
    """How an object that was made again compares with the stored one.

    `on_grid`: every number is on its grid, equal there or one step apart, and all else is equal.
    """

    EQUAL = "equal"
    ON_GRID = "on_grid"
    CHANGED = "changed"


def compare(key: str, stored: bytes, remade: bytes, tables: Tables) -> Comparison:
    """Return how the bytes under `key` compare with those that were made again."""
    if stored == remade:
        return Comparison.EQUAL
    kind = key.partition("/")[0]
    try:
        if kind in TABLES and _are_tables_on_grid(kind, stored, remade, tables):
            return Comparison.ON_GRID
        if kind == STATES and _are_states_on_grid(stored, remade, key):
            return Comparison.ON_GRID
    except StoreError:  # what is stored is no such object
        pass
    return Comparison.CHANGED


def _are_tables_on_grid(table: str, stored: bytes, remade: bytes, tables: Tables) -> bool:
    (theirs, metadata), (ours, expected) = (tables.decode(table, data) for data in (stored, remade))
    # Nothing lies in the file but what these say.
    return (
        metadata == expected
        and tables.encode(table, theirs, metadata) == stored
        and all(_is_column_on_grid(name, theirs, ours) for name in ours)
    )


def _is_column_on_grid(name: str, stored: Columns, remade: Columns) -> bool:
    theirs, ours = stored[name], remade[name]
    if theirs.shape != ours.shape:
        return False
    if ours.dtype != np.float64:
        return np.array_equal(theirs, ours)
    rounding = round_digits if name.startswith(PRICES) else round_decimals
    return bool(are_neighbours(rounding, theirs, ours).all())


def _are_states_on_grid(stored: bytes, remade: bytes, key: str) -> bool:
    theirs, ours = (State.decode(data, key) for data in (stored, remade))
    if theirs.encode() != stored:
        return False
    (text, numbers), (expected, others) = map(_take_numbers_out, (theirs, ours))
    return text == expected and bool(are_neighbours(round_decimals, numbers, others).all())


def _take_numbers_out(state: State) -> tuple[Any, list[float]]:
    """Return a state with None for every number that is no whole one, and these in order."""
    numbers: list[float] = []

    def strip(value: Any) -> Any:
        if isinstance(value, float):
            numbers.append(value)
            return None
        if isinstance(value, dict):
            return {name: strip(within) for name, within in sorted(value.items())}
        if isinstance(value, (list, tuple)):
            return [strip(within) for within in value]
        return value

    return strip(msgspec.to_builtins(state)), numbers
