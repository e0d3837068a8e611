"""Columns: rows by value, whatever order they lie in."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.columns import group_rows


@given(st.lists(st.sampled_from(["SPY", "QQQ", "DIA"])))
def test_rows_are_grouped_as_a_loop_over_them_would(names: list[str]) -> None:
    expected = defaultdict(list)
    for row, name in enumerate(names):
        expected[name].append(row)
    groups = group_rows(np.array(names, object))
    assert {name: rows.tolist() for name, rows in groups.items()} == expected
    assert list(groups) == list(expected)
