"""Scenarios are a function of what is forecast and of the past, not of the order it comes in."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.scenarios.draw import draw_scenarios
from pipeline.scenarios.scenario_cube import ScenarioCube
from tests.support.templates import TICKERS, quantiles, template

NAMES = (*TICKERS, "XLF")
TARGETS = [date(2025, 1, 1) + timedelta(days=at) for at in range(5)]


def draw(order: tuple[str, ...], n_origins: int) -> ScenarioCube:
    at = [NAMES.index(ticker) for ticker in order]
    closes = np.arange(100.0, 105.0)[at]
    known = template(n_origins)
    return draw_scenarios(order, closes, quantiles(5)[at], date(2024, 12, 31), TARGETS, known)


@settings(max_examples=12, deadline=None)
@given(order=st.permutations(NAMES), n=st.integers(1, 5), n_origins=st.sampled_from([5, 70, 1000]))
def test_order_and_company_change_nothing(order: list[str], n: int, n_origins: int) -> None:
    whole = draw(NAMES, n_origins)
    some = draw(tuple(order[:n]), n_origins)
    assert some.tickers == tuple(sorted(order[:n]))
    at = [whole.tickers.index(ticker) for ticker in some.tickers]
    assert np.array_equal(some.log_return, whole.log_return[:, at])
    assert np.array_equal(some.last_close, whole.last_close[at])
