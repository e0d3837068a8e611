"""Prices that look adjusted: older ones have left the cents that the newest keep."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.bars import PRICES, RawBars
from pipeline.forecasting.cents import look_adjusted
from tests.support.builders import raw_bars
from tests.support.records import scaled, with_column


def in_cents(raw: RawBars) -> RawBars:
    return replace(raw, **{name: getattr(raw, name).round(2) for name in PRICES})


PLAIN = in_cents(raw_bars("SPY", 320))
SINGLE = replace(PLAIN, **{n: getattr(PLAIN, n).astype(np.float32).astype(float) for n in PRICES})
UNKNOWN_SPLIT = scaled(PLAIN, 0.25, slice(0, 300))
KNOWN_SPLIT = with_column(scaled(PLAIN, 1 / 37, slice(0, 300)), "split", 300, 37.0)


@pytest.mark.parametrize(
    "bars",
    [PLAIN, SINGLE, UNKNOWN_SPLIT, KNOWN_SPLIT, raw_bars("SPY", 320), scaled(PLAIN, 0.9963)],
    ids=["cents", "single precision", "split", "known split", "no cents at all", "all alike"],
)
def test_prices_that_keep_their_cents_or_never_had_any_do_not(bars: RawBars) -> None:
    assert not look_adjusted(bars)


@pytest.mark.parametrize("until", [315, 300, 161], ids=str)
@pytest.mark.parametrize("factor", [0.9963, 0.9871, 0.52345], ids=str)
def test_prices_before_a_dividend_that_left_them_do(factor: float, until: int) -> None:
    assert look_adjusted(scaled(PLAIN, factor, slice(0, until)))
    assert look_adjusted(scaled(SINGLE, factor, slice(0, until)))


@pytest.mark.parametrize("n", [1, 19])
def test_too_few_bars_say_nothing(n: int) -> None:
    assert not look_adjusted(scaled(PLAIN, 0.9963, slice(0, 315)).tail(n))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_bars_with_holes_say_nothing(value: float) -> None:
    assert not look_adjusted(with_column(scaled(PLAIN, 0.9963, slice(0, 315)), "low", 3, value))
