"""Unadjusted splits, crashes that look like them, and feeds that stand still."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.bar_patterns import FROZEN_SESSIONS, find_doubtful, find_frozen, find_unadjusted_split
from pipeline.bars import PRICES, RawBars
from tests.support.builders import raw_bars
from tests.support.splits import RATIOS, plant_split

AT = 150


def with_move(factor: float, at: int = AT, surge: float = 1.0, to_close: float = 1.0) -> RawBars:
    """Return quiet bars whose prices are `factor` times as high from the open of one bar on.

    `surge` times the usual volume is traded in that bar; its close is `to_close` of its open.
    """
    raw = raw_bars(volume=np.full(200, 1e7))
    base = factor * raw.close[at - 1]
    scale = np.where(np.arange(200) < at, 1.0, base * to_close / raw.close[at])
    columns = {name: getattr(raw, name) * scale for name in PRICES}
    columns["open"][at], columns["close"][at] = base, base * to_close
    columns["high"][at] = base * max(1.0, to_close) * 1.001
    columns["low"][at] = base * min(1.0, to_close) / 1.001
    volume = raw.volume.copy()
    volume[at] *= surge
    return replace(raw, **columns, volume=volume)


EVERY_RATIO = pytest.mark.parametrize("ratio", RATIOS)


@EVERY_RATIO
@pytest.mark.parametrize("at", [1, AT, 199])
def test_every_unadjusted_split_is_a_jump_wherever_it_stands(ratio: float, at: int) -> None:
    planted = plant_split(raw_bars(volume=np.full(200, 1e7)), at, ratio)
    found = find_unadjusted_split(planted)
    assert found is not None
    assert found[0] == at


@EVERY_RATIO
@pytest.mark.parametrize("own", [-0.03, 0.03])
def test_a_split_is_a_jump_whatever_the_day_itself_did(ratio: float, own: float) -> None:
    assert find_unadjusted_split(with_move(np.exp(own) / ratio)) is not None


@given(
    ratio=st.sampled_from(RATIOS),
    overnight=st.floats(-0.03, 0.03),
    own=st.floats(-0.05, 0.05),
    traded=st.floats(0.2, 2.0),
)
def test_no_ordinary_day_hides_a_split(
    ratio: float, overnight: float, own: float, traded: float
) -> None:
    # After a split there are `ratio` times as many shares to trade.
    moved = with_move(np.exp(overnight) / ratio, surge=traded * ratio, to_close=np.exp(own))
    assert find_unadjusted_split(moved) is not None


@given(
    ratio=st.sampled_from(RATIOS),
    at=st.integers(1, AT),
    surge=st.floats(0.2, 20),
    first=st.integers(0, AT),
)
def test_whatever_is_taken_for_a_split_in_a_part_of_the_bars_was_doubtful(
    ratio: float, at: int, surge: float, first: int
) -> None:
    raw = with_move(1 / ratio, at, surge=surge)
    part = raw.rows(slice(first, None))
    if (found := find_unadjusted_split(part)) is not None:
        assert find_doubtful(raw)[first:][found[0]]
    assert find_doubtful(raw).sum() <= 1


def test_the_split_is_named() -> None:
    for ratio, name in ((2.0, "2:1"), (1.5, "3:2"), (1 / 8, "1:8"), (1 / 1.5, "2:3"), (40, "40:1")):
        found = find_unadjusted_split(with_move(1 / ratio))
        assert found == (AT, f"an unadjusted split of {name}")


def test_a_crash_on_ten_times_the_volume_is_a_price() -> None:
    assert find_unadjusted_split(with_move(0.5, surge=3.9)) is not None
    assert find_unadjusted_split(with_move(0.5, surge=10.0)) is None
    assert find_unadjusted_split(with_move(0.65, surge=8.0)) is None


def test_a_leap_counts_shares_where_a_fall_counts_money() -> None:
    assert find_unadjusted_split(with_move(2.0, surge=3.9)) is not None
    assert find_unadjusted_split(with_move(2.0, surge=4.1)) is None
    assert find_unadjusted_split(with_move(0.5, surge=7.9)) is not None
    assert find_unadjusted_split(with_move(0.5, surge=8.1)) is None


def test_a_fall_that_is_no_split_s_ratio_is_a_price() -> None:
    # Netflix, 2022-04-20: 348.61, then 245.20 to 226.19. And a fund of three times the S&P 500.
    assert find_unadjusted_split(with_move(245.20 / 348.61, to_close=226.19 / 245.20)) is None
    assert find_unadjusted_split(with_move(0.80, to_close=0.655 / 0.80)) is None


def test_a_split_s_ratio_within_the_day_is_a_price() -> None:
    assert find_unadjusted_split(with_move(1.0, to_close=0.5)) is None
    assert find_unadjusted_split(with_move(0.5, to_close=1.6)) is None


def test_without_volume_prices_alone_decide() -> None:
    none = np.zeros(200)
    assert find_unadjusted_split(replace(with_move(0.5), volume=none)) is not None
    assert find_unadjusted_split(replace(with_move(0.5), volume=none * np.nan)) is not None


def test_a_dividend_that_explains_the_gap_is_no_split() -> None:
    raw = with_move(0.5)
    dividend = np.zeros(200)
    dividend[AT] = raw.close[AT - 1] / 2
    assert find_unadjusted_split(replace(raw, dividend=dividend)) is None
    dividend[AT] = np.nan
    assert find_unadjusted_split(replace(raw, dividend=dividend)) is not None


def test_a_split_that_the_bars_name_and_prices_follow_is_named_on_any_volume() -> None:
    raw, split = with_move(0.8, surge=50.0), np.zeros(200)
    assert find_unadjusted_split(raw) is None
    split[AT] = 1.25
    named = replace(raw, split=split)
    assert find_unadjusted_split(named) == (AT, "the 5:4 split that the bars name there")
    split[AT] = 1.05
    assert find_unadjusted_split(replace(with_move(1 / 1.05), split=split)) is None


def test_a_split_for_which_prices_are_adjusted_is_none() -> None:
    split = np.zeros(200)
    split[AT] = 2.0
    assert find_unadjusted_split(raw_bars(split=split)) is None


@pytest.mark.parametrize("factor", [13.0, 50.0, 1e6, 1e140, 1e300])
def test_beyond_the_last_ratio_every_gap_is_a_jump(factor: float) -> None:
    assert find_unadjusted_split(with_move(factor)) is not None
    assert find_unadjusted_split(with_move(1 / factor)) is not None


def test_numbers_near_the_end_of_all_numbers_are_no_exception() -> None:
    price = np.where(np.arange(200) < AT, 1e-308, 1.7e308)
    raw = raw_bars(**dict.fromkeys(PRICES, price), dividend=np.full(200, 1e308))
    found = find_unadjusted_split(raw)
    assert found is not None
    assert len(found[1]) < 50


@pytest.mark.parametrize("n", [0, 1, 2])
def test_where_nothing_came_before_nothing_is_said(n: int) -> None:
    short = raw_bars(n=5).tail(n) if n else raw_bars(n=5).rows(slice(0))
    assert find_unadjusted_split(short) is None
    assert find_frozen(short) is None


def standing(raw: RawBars, first: int, n: int) -> RawBars:
    columns = {name: getattr(raw, name).copy() for name in PRICES}
    for column in columns.values():
        column[first : first + n] = column[first]
    return replace(raw, **columns)


@pytest.mark.parametrize("first", [0, 70, 200 - FROZEN_SESSIONS])
def test_prices_that_stand_still_are_named_where_they_have_for_five_sessions(first: int) -> None:
    whole = standing(raw_bars(), first, FROZEN_SESSIONS)
    assert find_frozen(whole) == (first + FROZEN_SESSIONS - 1, "the same four prices")
    assert find_frozen(standing(raw_bars(), first, FROZEN_SESSIONS - 1)) is None


@pytest.mark.parametrize("name", PRICES)
def test_one_price_that_moves_is_enough(name: str) -> None:
    raw = standing(raw_bars(), 70, 20)
    moving = getattr(raw, name) + np.arange(200) / 1000
    assert find_frozen(replace(raw, **{name: moving})) is None


@pytest.mark.parametrize("first", [0, 70, 195])
def test_five_sessions_without_volume_are_named_where_others_have_some(first: int) -> None:
    volume = raw_bars().volume.copy()
    volume[first : first + 4] = 0.0
    assert find_frozen(raw_bars(volume=volume)) is None
    volume[first : first + 5] = 0.0
    assert find_frozen(raw_bars(volume=volume)) == (first + 4, "no volume")


def test_an_index_has_no_volume_at_all() -> None:
    assert find_frozen(raw_bars("^VIX", volume=np.zeros(200))) is None
