"""The simulated market looks like one, and never changes its past."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from pipeline.adapters.simulated.market import START, SimulatedMarket
from pipeline.bars import COLUMNS, PRICES, Bars, RawBars
from pipeline.errors import ConfigError, Reason
from pipeline.ports import BarSource
from tests.support.fakes import FixedCalendar

ETFS = ("SPY", "QQQ", "DIA", "IWM")
SYMBOLS = (*ETFS, "^VIX")
SESSIONS = np.busday_offset(START, np.arange(4001)).tolist()
LAST = SESSIONS[-2]
CALENDAR = FixedCalendar(SESSIONS)
SEEDS = range(3)


def market(seed: int, first: date = START, last: date = LAST) -> dict[str, RawBars]:
    return dict(SimulatedMarket(CALENDAR, seed).read(SYMBOLS, first, last).bars)


def log_returns(bars: RawBars) -> np.ndarray:
    return np.diff(np.log(bars.close))


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a, b)[0, 1])


def test_every_session_from_the_start_has_one_valid_bar_of_each_symbol() -> None:
    for bars in market(1).values():
        assert Bars.validate(bars).session.tolist() == SESSIONS[:-1]
        assert SESSIONS[0] == START


def test_prices_are_in_cents_and_volumes_in_whole_shares() -> None:
    for bars in market(1).values():
        for name in PRICES:
            price = getattr(bars, name)
            np.testing.assert_array_equal(price, price.round(2))
        assert (bars.high >= np.maximum(bars.open, bars.close)).all()
        assert (bars.low <= np.minimum(bars.open, bars.close)).all()
        np.testing.assert_array_equal(bars.volume, np.rint(bars.volume))


def test_it_starts_where_the_etfs_stood() -> None:
    first = {ticker: bars.close[0] for ticker, bars in market(5).items()}
    assert first["SPY"] == 324.87
    assert first["QQQ"] == 216.16


@pytest.mark.parametrize("seed", SEEDS)
def test_returns_have_the_habits_of_real_ones(seed: int) -> None:
    bars = market(seed)
    for ticker in ETFS:
        returns = log_returns(bars[ticker])
        size = np.abs(returns)
        assert 0.10 < returns.std() * np.sqrt(252) < 0.40
        assert np.mean((returns / returns.std()) ** 4) > 4  # fat tails; normal ones have 3
        assert correlation(size[:-1], size[1:]) > 0.05  # volatility clusters
        assert correlation(size[:-10], size[10:]) > 0
        assert (
            np.mean([correlation(returns[:-k], size[k:]) for k in range(1, 6)]) < -0.02
        )  # leverage
        assert abs(correlation(returns[:-1], returns[1:])) < 0.08
    for ticker in ("QQQ", "DIA", "IWM"):
        assert correlation(log_returns(bars["SPY"]), log_returns(bars[ticker])) > 0.6


@pytest.mark.parametrize("seed", SEEDS)
def test_prices_move_overnight_and_ranges_measure_the_volatility(seed: int) -> None:
    spy = market(seed)["SPY"]
    overnight = np.log(spy.open[1:] / spy.close[:-1])
    intraday = np.log(spy.close / spy.open)
    assert 0.1 < overnight.var() / intraday.var() < 0.9
    # Parkinson: of a driftless path, the mean squared log range is 4 ln 2 times its variance.
    by_range = np.mean(np.log(spy.high / spy.low) ** 2) / (4 * np.log(2))
    assert by_range == pytest.approx(intraday.var(), rel=0.15)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_index_foresees_the_volatility_of_the_next_month(seed: int) -> None:
    bars = market(seed)
    vix, returns = bars["^VIX"].close, log_returns(bars["SPY"])
    month = np.lib.stride_tricks.sliding_window_view(returns, 21)
    realised = 100 * np.sqrt(252 * np.mean(month**2, axis=1))
    assert correlation(np.log(vix[: len(realised)]), np.log(realised)) > 0.4
    assert 1.0 < vix[: len(realised)].mean() / realised.mean() < 1.5
    assert correlation(np.diff(np.log(vix)), returns) < -0.4
    assert not bars["^VIX"].volume.any()


def test_volume_rises_with_volatility() -> None:
    spy = market(1)["SPY"]
    assert correlation(np.log(spy.volume), np.log(spy.high / spy.low)) > 0.4


@pytest.mark.parametrize("ticker", ETFS)
def test_dividends_go_ex_once_a_quarter(ticker: str) -> None:
    bars = market(1)[ticker]
    ex = bars.session[bars.dividend > 0].tolist()
    assert [day.month for day in ex[:5]] == [3, 6, 9, 12, 3]
    assert all(day.weekday() == 4 and 15 <= day.day <= 21 for day in ex)
    years = (LAST - START).days / 365.25
    assert len(ex) == pytest.approx(4 * years, abs=1)
    paid = bars.dividend[bars.dividend > 0] / bars.close[bars.dividend > 0]
    assert ((paid > 0.001) & (paid < 0.006)).all()
    assert not bars.split.any()


def test_a_third_friday_without_trading_moves_the_ex_date_on() -> None:
    friday = date(2020, 3, 20)
    calendar = FixedCalendar([*(day for day in SESSIONS if day != friday)])
    reading = SimulatedMarket(calendar, 1).read(["SPY"], START, date(2020, 12, 1))
    spy = reading.bars["SPY"]
    assert spy.session[spy.dividend > 0].tolist()[0] == date(2020, 3, 23)


def test_an_unknown_ticker_fails_naming_those_there_are() -> None:
    reading = SimulatedMarket(CALENDAR).read(["SPY", "AAPL"], START, LAST)
    assert list(reading.bars) == ["SPY"]
    assert reading.failures["AAPL"].reason is Reason.UNKNOWN_TICKER
    expected = "SPY, QQQ, DIA, IWM, ^VIX or SIM0000 to SIM99999, got AAPL"
    assert expected in str(reading.failures["AAPL"])


def test_before_the_start_there_is_nothing() -> None:
    assert len(market(1, date(2010, 1, 1), START - timedelta(1))["SPY"]) == 0
    assert market(1, date(2010, 1, 1), START)["SPY"].session.tolist() == [START]


def test_no_one_can_take_it_for_real_prices() -> None:
    source: BarSource = SimulatedMarket(CALENDAR)
    assert source.label == "simulated market (not real prices)"


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(ConfigError, match="got -1"):
        SimulatedMarket(CALENDAR, -1)


def test_seeds_make_different_markets() -> None:
    one, other = market(1), market(2)
    for symbol in SYMBOLS:
        for name in COLUMNS[:5] if symbol in ETFS else PRICES:
            assert (getattr(one[symbol], name)[1:] != getattr(other[symbol], name)[1:]).mean() > 0.9


def test_made_up_etfs_are_as_many_as_one_likes() -> None:
    source = SimulatedMarket(CALENDAR)
    asked = ("SIM0000", "SIM0001", "SIM99999", "SPY")
    reading = source.read(asked, date(2024, 1, 2), date(2024, 12, 27))
    assert set(reading.bars) == set(asked)
    assert len({bars.close[0] for bars in reading.bars.values()}) == len(asked)
    for bars in reading.bars.values():
        Bars.validate(bars)
    alone = source.read(["SIM0001"], date(2024, 1, 2), date(2024, 12, 27)).bars["SIM0001"]
    assert np.array_equal(alone.close, reading.bars["SIM0001"].close)
    unknown = source.read(["SIM1", "SIMX001"], date(2024, 1, 2), date(2024, 12, 27))
    assert set(unknown.failures) == {"SIM1", "SIMX001"}
