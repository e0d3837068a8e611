"""Prices of which some are adjusted for dividends and others are not."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from pipeline.bars import PRICES, Bars, RawBars
from pipeline.errors import InvalidBars, Reason
from pipeline.forecasting.adjustment_check import check_adjusted, check_unmixed
from tests.support.builders import bars

N = 1300  # five calendar years up to 2024-12-27
ALL = slice(None)
ONE_DIVIDEND = 0.9955


def in_cents(ticker: str, n: int = N) -> Bars:
    """Return bars as an exchange quotes them."""
    made = bars(ticker, n)
    return replace(made, **{name: np.round(getattr(made, name), 2) for name in PRICES})


def adjusted(of: RawBars, names: tuple[str, ...] = PRICES, rows: slice = ALL) -> RawBars:
    """Return the bars with some prices adjusted for a dividend every 63 sessions."""
    ex_dates_after = (len(of) - 1 - np.arange(len(of))) // 63
    factor = np.ones(len(of))
    factor[rows] = (ONE_DIVIDEND**ex_dates_after)[rows]
    raw = RawBars(**{f.name: getattr(of, f.name) for f in fields(RawBars)})
    return replace(raw, **{name: getattr(of, name) * factor for name in names})


SPY, QQQ = in_cents("SPY"), in_cents("QQQ")


def test_prices_that_nobody_adjusted_pass() -> None:
    check_unmixed([SPY, QQQ])


def test_prices_in_no_unit_say_nothing() -> None:
    check_unmixed([bars("SPY", N), bars("QQQ", N)])


def test_adjusted_alike_is_not_mixed() -> None:
    check_unmixed([adjusted(SPY), adjusted(QQQ)])


def test_a_ticker_adjusted_among_others_that_are_not_is_named() -> None:
    with pytest.raises(
        InvalidBars, match="QQQ: expected prices in cents, like SPY, got on 20"
    ) as e:
        check_unmixed([SPY, adjusted(QQQ)])
    assert e.value.reason is Reason.UNREADABLE


@pytest.mark.parametrize("rows", [slice(0, 700), slice(700, None)])
def test_an_adjustment_that_ends_or_begins_midway_is_named(rows: slice) -> None:
    changed = adjusted(SPY, rows=rows)
    off = [year for year in range(2020, 2025) if not _quoted(changed, year)]
    with pytest.raises(InvalidBars, match=f"SPY: .* like the rest of it, got on {off[0]}-") as e:
        check_unmixed([changed])
    assert "open" in str(e.value)
    assert "close" in str(e.value)


def _quoted(of: RawBars, year: int) -> bool:
    inside = of.session.astype("datetime64[Y]") == np.datetime64(str(year))
    cents = 100 * of.close[inside]
    return bool((np.abs(cents - np.round(cents)) < 1e-6).mean() > 0.5)


def test_closes_adjusted_alone_lie_below_the_low() -> None:
    changed = adjusted(SPY, ("close",))
    with pytest.raises(InvalidBars, match="SPY: expected closes between low and high") as e:
        check_unmixed([changed, QQQ])
    first = int(np.argmax(changed.close < changed.low * 0.9995))
    assert f"the first on {SPY.session[first]}: low {SPY.low[first]:g}" in str(e.value)
    assert e.value.reason is Reason.INCONSISTENT_OHLC


def test_closes_adjusted_alone_for_one_dividend_are_found_though_each_bar_is_valid() -> None:
    factor = np.where(np.arange(N) >= N - 126, ONE_DIVIDEND, 1.0)
    changed = Bars.validate(replace(SPY, close=np.maximum(SPY.close * factor, SPY.low * 0.9951)))
    with pytest.raises(InvalidBars, match="SPY: expected closes between low and high"):
        check_unmixed([changed])


def test_a_few_closes_outside_are_a_sources_mistakes() -> None:
    close = SPY.close.copy()
    close[100:1300:200] = SPY.low[100:1300:200] * 0.998
    check_unmixed([replace(SPY, close=np.round(close, 2))])


@pytest.mark.parametrize("told", [True, False], ids=["split known", "split not known"])
def test_a_split_leaves_parts_of_cents(told: bool) -> None:
    before = np.arange(N) < 650
    made = {name: np.where(before, getattr(SPY, name) / 4, getattr(SPY, name)) for name in PRICES}
    split = np.zeros(N)
    split[650] = 4.0 if told else 0.0
    raw = RawBars("SPY", SPY.session, **made, volume=SPY.volume, dividend=split * 0, split=split)
    check_unmixed([raw, QQQ])


def test_a_split_of_an_odd_ratio_is_undone_where_it_is_known() -> None:
    made = {name: getattr(SPY, name) / 1.281 for name in PRICES}
    split = np.zeros(N)
    split[-1] = 1.281
    made = {name: np.append(made[name][:-1], getattr(SPY, name)[-1]) for name in PRICES}
    raw = RawBars("SPY", SPY.session, **made, volume=SPY.volume, dividend=split * 0, split=split)
    check_unmixed([raw, QQQ])
    with pytest.raises(InvalidBars, match="SPY: expected prices in cents, like QQQ"):
        check_unmixed([replace(raw, split=split * 0), QQQ])


def paying(of: RawBars) -> RawBars:
    """Return the bars with the dividends that `adjusted` adjusts for."""
    ex_date = (len(of) - 1 - np.arange(len(of))) % 63 == 62
    return replace(of, dividend=np.where(ex_date, 0.5, 0.0))


def test_prices_that_are_said_to_be_adjusted_may_all_be_so() -> None:
    check_adjusted([paying(adjusted(SPY)), paying(adjusted(QQQ))])


def test_one_that_pays_no_dividend_keeps_its_cents_among_adjusted_ones() -> None:
    with pytest.raises(InvalidBars, match="SPY"):
        check_unmixed([adjusted(SPY), QQQ])
    check_adjusted([paying(adjusted(SPY)), QQQ])


def test_one_that_pays_and_keeps_its_cents_was_not_adjusted() -> None:
    with pytest.raises(InvalidBars, match="QQQ: .* got prices in cents all along and a dividend"):
        check_adjusted([paying(adjusted(SPY)), paying(QQQ)])


def test_older_prices_in_cents_where_newer_ones_are_not_are_mixed() -> None:
    with pytest.raises(InvalidBars, match="SPY: .* got prices in cents in 20.. and not in 20"):
        check_adjusted([adjusted(SPY, rows=slice(700, None))])


def test_a_close_that_was_adjusted_alone_is_refused_whatever_was_said() -> None:
    with pytest.raises(InvalidBars, match="SPY: expected closes between low and high"):
        check_adjusted([adjusted(SPY, ("close",))])
