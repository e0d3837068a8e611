from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.forecasting.features import FEATURE_NAMES, VARIANCE_FLOOR, WARM_UP, compute_features
from pipeline.forecasting.panel import Panel
from pipeline.forecasting.windows import all_windows, latest_windows, log_returns_ahead
from tests.support.builders import bars, raw_bars, weekdays, well_formed_bars


def naive_features(panel: Panel, t: int) -> dict[str, float]:
    """The features of one session, written as their definitions read."""
    o, h, low, c = (np.log(getattr(panel, name)[0]) for name in ("open", "high", "low", "close"))

    def variance(i: int) -> float:
        garman_klass = 0.5 * (h[i] - low[i]) ** 2 - (2 * np.log(2) - 1) * (c[i] - o[i]) ** 2
        return garman_klass + (o[i] - c[i - 1]) ** 2

    def log_volatility(values: list[float]) -> float:
        return 0.5 * np.log(np.mean(values) + VARIANCE_FLOOR)

    def last(k: int) -> range:
        return range(t - k + 1, t + 1)

    weekday = panel.session[0][t].item().weekday()
    return {
        "log_close": c[t],
        "overnight_return": o[t] - c[t - 1],
        "intraday_return": c[t] - o[t],
        "log_range": log_volatility([(h[t] - low[t]) ** 2 / (4 * np.log(2))]),
        "log_volatility": log_volatility([variance(t)]),
        "log_volatility_5": log_volatility([variance(i) for i in last(5)]),
        "log_volatility_22": log_volatility([variance(i) for i in last(22)]),
        "log_volatility_66": log_volatility([variance(i) for i in last(66)]),
        "log_downside_22": log_volatility([min(c[i] - c[i - 1], 0) ** 2 for i in last(22)]),
        "drawdown_66": c[t] - max(c[i] for i in last(66)),
        "days_to_next": 3.0 if weekday == 4 else 1.0,
        "log_vix": np.log(panel.vix[0][t]) if np.isfinite(panel.vix[0][t]) else 0.0,
    }


@pytest.mark.parametrize("t", [WARM_UP, WARM_UP + 1, 120, 199])
def test_features_equal_their_definitions(t: int) -> None:
    panel = Panel.of([bars(n=200)], 200, raw_bars("^VIX", 60))
    came = compute_features(panel)[0, t - WARM_UP]
    expected = naive_features(panel, t)
    assert list(expected) == list(FEATURE_NAMES)
    np.testing.assert_allclose(came, list(expected.values()), rtol=2e-6, atol=1e-7)


def test_a_high_or_low_that_misses_by_a_rounding_gives_the_features_of_one_that_does_not() -> None:
    raw = raw_bars()
    high, low = np.maximum(raw.open, raw.close), np.minimum(raw.open, raw.close)

    def features(**columns: np.ndarray) -> np.ndarray:
        return compute_features(Panel.of([well_formed_bars(**columns)], 200))

    exact = features(high=high, low=low)
    for missed in ({"high": high * (1 - 1e-4)}, {"low": low * (1 + 1e-4)}):
        assert np.array_equal(features(**({"high": high, "low": low} | missed)), exact)


def flat_but_at(at: int, price: float) -> np.ndarray:
    """Return the features of bars at 100 all day, but for one at another price."""
    prices = np.where(np.arange(200) == at, price, 100.0)
    columns = dict.fromkeys(("open", "high", "low", "close"), prices)
    return compute_features(Panel.of([well_formed_bars(**columns)], 200))[0]


def test_a_price_that_stands_still_has_a_volatility_of_a_hundredth_of_a_percent() -> None:
    volatility = [name.startswith(("log_range", "log_vol", "log_down")) for name in FEATURE_NAMES]
    assert sum(volatility) == 6
    still = flat_but_at(0, 100.0)[:, volatility]
    np.testing.assert_allclose(still, -9.210340371976182, rtol=1e-7)  # log 0.0001


def test_the_drawdown_looks_back_66_sessions_and_no_further() -> None:
    drawdown = flat_but_at(100, 110.0)[:, FEATURE_NAMES.index("drawdown_66")]
    sessions = WARM_UP + np.flatnonzero(drawdown)
    assert sessions.tolist() == list(range(101, 100 + 66))
    np.testing.assert_allclose(drawdown[sessions - WARM_UP], -0.09531017980432493, rtol=1e-6)


@pytest.mark.parametrize(("day", "days"), [("27", 3), ("28", 2), ("29", 1), ("30", 1)])
def test_the_next_weekday_is_counted_from_a_weekend_too(day: str, days: int) -> None:
    session = weekdays(200, "2024-12-26")
    session[-1] = np.datetime64(f"2024-12-{day}")  # Friday, Saturday, Sunday, Monday
    features = compute_features(Panel.of([bars(session=session)], 200))[0]
    assert features[-1, FEATURE_NAMES.index("days_to_next")] == days


def test_a_flat_market_has_finite_features() -> None:
    flat = np.full(200, 100.0)
    panel = Panel.of([well_formed_bars(open=flat, high=flat, low=flat, close=flat)], 200)
    assert np.isfinite(compute_features(panel)).all()


def test_windows_end_at_their_origins() -> None:
    features = compute_features(Panel.of([bars(n=200), bars("QQQ", n=200)], 200))
    windows = all_windows(features)
    assert windows.shape == (2, 200 - WARM_UP - 59, 60, 12)
    assert np.array_equal(windows[:, -1], latest_windows(features))
    assert np.array_equal(windows[1, 7, -1], features[1, 66])


def test_targets_are_log_returns_and_unknown_at_the_end() -> None:
    close = np.array([[100.0, 110.0, 121.0, 133.1]])
    ahead = log_returns_ahead(close, (1, 3))
    np.testing.assert_allclose(ahead[0, 0], [np.log(1.1), np.log(1.331)])
    assert np.isnan(ahead[0, 3]).all()
    assert np.isnan(ahead[0, 1:, 1]).all()


def test_of_a_bar_of_one_price_the_month_stands_for_range_and_volatility() -> None:
    of = bars(n=140)
    rows = [-1, -3, -40]
    prices = {name: getattr(of, name).copy() for name in ("open", "high", "low")}
    for values in prices.values():
        values[rows] = of.close[rows]
    flat = compute_features(Panel.of([replace(of, **prices)], 140))[0]
    month = flat[:, FEATURE_NAMES.index("log_volatility_22")]
    for name in ("log_range", "log_volatility"):
        column = flat[:, FEATURE_NAMES.index(name)]
        assert np.flatnonzero(column == month).tolist() == [len(flat) + row for row in rows[::-1]]


def test_of_one_price_a_day_volatility_is_that_of_closes() -> None:
    of = bars(n=140)
    flat = replace(of, open=of.close, high=of.close, low=of.close)
    features = compute_features(Panel.of([flat], 140))[0]
    returns = np.diff(np.log(of.close))[-22:]
    expected = 0.5 * np.log((returns**2).mean() + 1e-8)
    for name in ("log_range", "log_volatility", "log_volatility_22"):
        assert features[-1, FEATURE_NAMES.index(name)] == pytest.approx(expected, rel=1e-6)
