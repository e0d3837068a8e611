"""Columns: a table as arrays by name, and what is done with its rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.bars import Flags

Columns = Mapping[str, NDArray[Any]]


def concatenate(parts: Sequence[Columns]) -> dict[str, NDArray[Any]]:
    """Return tables of equal columns as one, rows in the order given; at least one table."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def where(table: Columns, rows: Flags) -> dict[str, NDArray[Any]]:
    """Return the rows of a table for which `rows` bool (n,) is True."""
    return {name: column[rows] for name, column in table.items()}
