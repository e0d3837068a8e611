"""Tickers whose outcomes are known together are coupled; who is not is named."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from pipeline.scenarios.common_history import MIN_ORIGINS, find_apart, find_groups
from pipeline.scenarios.template import Template
from tests.support.builders import weekdays

N = 300


def known(spans: Mapping[str, tuple[int, int]]) -> Template:
    """Return a template in which each ticker is known from one origin to another."""
    levels = np.full((N, len(spans), 5), np.nan)
    for at, (first, last) in enumerate(spans.values()):
        levels[first:last, at] = 0.5
    return Template(tuple(spans), weekdays(N, "2024-12-31"), levels)


LEAST = MIN_ORIGINS
ALL = (0, N)


@pytest.mark.parametrize(
    ("spans", "groups"),
    [
        ({}, ()),
        ({"A": (0, LEAST - 1)}, ()),
        ({"A": (0, LEAST)}, (("A",),)),
        ({"A": ALL, "B": (N - LEAST, N)}, (("A", "B"),)),
        ({"A": ALL, "B": (N - LEAST + 1, N)}, (("A",),)),
        ({"A": (0, 100), "B": (100, N)}, (("A",), ("B",))),
        ({"A": (0, 150), "B": (91, N)}, (("A",), ("B",))),
        ({"A": (0, 150), "B": (90, N)}, (("A", "B"),)),
        ({"A": (0, 100), "B": (100, 200), "C": (0, 100), "D": ALL}, (("A", "B", "C", "D"),)),
        ({"A": (0, 90), "B": (90, 300), "C": (10, 90), "D": (120, N)}, (("A", "C"), ("B", "D"))),
        ({"A": (0, 70), "B": (200, 270), "C": (140, 270), "D": (0, 200)}, (("A", "B", "C", "D"),)),
    ],
)
def test_a_group_has_60_origins_in_common_through_whichever_of_it(
    spans: dict[str, tuple[int, int]], groups: tuple[tuple[str, ...], ...]
) -> None:
    assert find_groups(known(spans)) == groups


def test_an_origin_counts_once_all_its_horizons_are_known() -> None:
    template = known({"A": (0, LEAST), "B": ALL})
    template.levels[0, 0, 4] = np.nan
    assert find_groups(template) == (("B",),)


TWO = known({"A": (0, 100), "B": (0, 100), "C": (100, N), "D": (100, N), "E": (100, N)})


@pytest.mark.parametrize(
    ("tickers", "apart"),
    [
        ((), ""),
        (("X",), ""),
        (("C", "D", "E"), ""),
        (("A", "B"), ""),
        (("X", "Y"), "XY"),
        (("A", "X"), "X"),
        (("A", "B", "C", "D", "E", "X"), "ABX"),
        (("A", "B", "C"), "C"),
        (("A", "E"), "E"),
    ],
)
def test_who_has_nothing_in_common_with_most_of_the_others_is_apart(
    tickers: tuple[str, ...], apart: str
) -> None:
    assert find_apart(TWO, tickers) == set(apart)
