"""A probability is a share of scenarios, with an error that holds for none and for all too."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.scenarios.probability import (
    PriceRange,
    correlate,
    estimate_share,
    measure_probability,
)
from tests.support.scenarios import cube

PATHS = np.array([[90.0, 100.0], [101.0, 110.0], [120.0, 100.0], [95.0, 95.0]])


@pytest.mark.parametrize(
    ("within", "touch", "count"),
    [
        (PriceRange(high=100.0, is_open=True), False, 1),
        (PriceRange(high=100.0, is_open=True), True, 2),
        (PriceRange(low=100.0, is_open=True), False, 1),
        (PriceRange(low=100.0, is_open=True), True, 2),
        (PriceRange(95.0, 100.0), False, 3),
        (PriceRange(115.0, 125.0), False, 0),
        (PriceRange(115.0, 125.0), True, 1),
    ],
)
def test_a_close_at_the_limit_is_neither_below_nor_above_and_is_between(
    within: PriceRange, touch: bool, count: int
) -> None:
    assert measure_probability(PATHS, within, touch=touch).share == count / 4


def test_wilsons_interval_is_that_of_the_books() -> None:
    # Newcombe (1998), table I: 81 of 263 and 0 of 20.
    some, none = estimate_share(81, 263), estimate_share(0, 20)
    assert (round(some.lower, 4), round(some.upper, 4)) == (0.2553, 0.3662)
    assert (none.lower, round(none.upper, 4), none.error) == (0.0, 0.1611, 0.0)


@given(n=st.integers(1, 5000), data=st.data())
def test_a_share_lies_within_its_limits_and_they_within_0_and_1(
    n: int, data: st.DataObject
) -> None:
    share = estimate_share(data.draw(st.integers(0, n)), n)
    assert 0 <= share.lower <= share.share <= share.upper <= 1


def test_a_touch_until_a_day_is_never_less_likely_than_its_close() -> None:
    prices = cube().price[:, 2]
    for limit in (290.0, 300.0, 310.0):
        below = PriceRange(high=limit, is_open=True)
        at_end = measure_probability(prices, below).share
        assert measure_probability(prices, below, touch=True).share >= at_end


def test_correlations_are_numpys_and_what_stands_still_has_none() -> None:
    returns = cube().log_return[:, :, 0].astype(float)
    assert correlate(returns) == pytest.approx(np.corrcoef(returns.T))
    still = correlate(np.column_stack([returns[:, 0], np.zeros(1000)]))
    assert still.tolist() == [[1.0, 0.0], [0.0, 1.0]]
    assert not math.isnan(still.sum())
