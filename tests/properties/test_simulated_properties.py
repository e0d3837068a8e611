"""Whatever is asked of the simulated market, its past stays as it was."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.adapters.simulated.market import START, SimulatedMarket
from pipeline.bars import COLUMNS, Bars, RawBars
from tests.support.fakes import FixedCalendar

SYMBOLS = ("SPY", "QQQ", "DIA", "IWM", "^VIX")
SESSIONS = np.busday_offset(START, np.arange(1701)).tolist()
CALENDAR = FixedCalendar(SESSIONS)
places = st.integers(0, 1699)
seeds = st.integers(0, 2**64)


def assert_equal(got: RawBars, expected: RawBars) -> None:
    for name in ("session", *COLUMNS):
        np.testing.assert_array_equal(getattr(got, name), getattr(expected, name), err_msg=name)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(seed=seeds, first=places, last=places)
def test_no_range_asked_for_changes_a_bar(seed: int, first: int, last: int) -> None:
    first, last = sorted((first, last))
    everything = SimulatedMarket(CALENDAR, seed).read(SYMBOLS, START, SESSIONS[1699]).bars
    part = SimulatedMarket(CALENDAR, seed).read(SYMBOLS, SESSIONS[first], SESSIONS[last]).bars
    for symbol in SYMBOLS:
        expected = everything[symbol].since(SESSIONS[first]).as_of(SESSIONS[last])
        assert_equal(part[symbol], expected)
        assert len(part[symbol]) == last - first + 1


@settings(max_examples=60, deadline=None, derandomize=True)
@given(seed=seeds, alone=st.sampled_from(SYMBOLS))
def test_bars_are_always_valid_and_do_not_depend_on_the_other_tickers(
    seed: int, alone: str
) -> None:
    together = SimulatedMarket(CALENDAR, seed).read(SYMBOLS, START, SESSIONS[-2]).bars
    single = SimulatedMarket(CALENDAR, seed).read([alone], START, SESSIONS[-2]).bars
    assert_equal(single[alone], together[alone])
    for bars in together.values():
        Bars.validate(bars)
