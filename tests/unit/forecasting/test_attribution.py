"""What widened an interval: shares that add up, blame nobody innocent, and need no order."""

from __future__ import annotations

from itertools import permutations
from typing import cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.forecasting.attribution import (
    CALIBRATION,
    CAUSES,
    GROUPS,
    LOWER,
    UPPER,
    _shapley_value,
    attribute_width,
)
from pipeline.forecasting.calibration import apply_gains
from pipeline.forecasting.features import FEATURE_NAMES, compute_features
from pipeline.forecasting.model import Model, Prediction
from pipeline.forecasting.panel import Panel
from pipeline.forecasting.windows import all_windows
from tests.support.builders import bars

N_LEVELS, N_HORIZONS = 11, 5


def windows(n: int) -> np.ndarray:
    """The last n windows of a ticker, oldest first."""
    ticker_bars = bars("SPY", 300)
    return np.array(all_windows(compute_features(Panel.of([ticker_bars], 300)))[0][-n:])


def gains(value: float, n: int = 1) -> np.ndarray:
    return np.full((n, N_HORIZONS, N_LEVELS), value)


def log_width(model: Model, window: np.ndarray, factor: float) -> float:
    quantiles = model.predict(window[None]).log_return_quantiles
    first = apply_gains(quantiles, gains(factor))[0, 0]
    return float(np.log(first[UPPER] - first[LOWER]))


def test_every_feature_is_in_one_group() -> None:
    assert sorted(sum(GROUPS.values(), ())) == sorted(FEATURE_NAMES)


@settings(max_examples=10)
@given(st.integers(1, 100), st.floats(0.6, 1.6), st.floats(0.6, 1.6))
def test_shares_add_up_to_the_change(model: Model, apart: int, old: float, new: float) -> None:
    history = windows(apart + 1)
    before, now = history[0], history[-1]
    shares = attribute_width(before[None], now[None], model, gains(old), gains(new))[0]
    change = log_width(model, now, new) - log_width(model, before, old)
    assert shares.sum() == pytest.approx(change, abs=1e-9)


def test_what_did_not_change_has_no_share(model: Model) -> None:
    before, now = windows(2)[:1], windows(2)[1:]
    for cause, names in GROUPS.items():
        columns = [FEATURE_NAMES.index(name) for name in names]
        same = now.copy()
        same[..., columns] = before[..., columns]
        shares = attribute_width(before, same, model, gains(1.0), gains(1.0))[0]
        assert shares[CAUSES.index(cause)] == 0
        assert shares[CAUSES.index(CALIBRATION)] == 0


def test_gains_alone_are_the_calibrator_s_share_alone(model: Model) -> None:
    now = windows(1)
    shares = attribute_width(now, now, model, gains(1.0), gains(1.1))[0]
    assert shares[-1] == pytest.approx(np.log(1.1), abs=1e-9)
    np.testing.assert_array_equal(shares[:-1], 0)


def test_there_and_back_is_the_same_with_the_other_sign(model: Model) -> None:
    before, now = windows(30)[:1], windows(30)[-1:]
    there = attribute_width(before, now, model, gains(0.9), gains(1.2))
    back = attribute_width(now, before, model, gains(1.2), gains(0.9))
    np.testing.assert_allclose(there, -back, atol=1e-12)


def test_of_many_tickers_each_has_what_it_has_alone(model: Model) -> None:
    history = windows(6)
    before, now = history[:5], history[1:]
    factors = np.linspace(0.8, 1.2, 5)[:, None, None] * gains(1.0, 5)
    together = attribute_width(before, now, model, gains(1.0, 5), factors)
    for i in range(5):
        alone = attribute_width(
            before[i : i + 1], now[i : i + 1], model, gains(1.0), factors[i : i + 1]
        )
        np.testing.assert_array_equal(together[i], alone[0])


def test_a_share_is_the_mean_effect_over_all_orders() -> None:
    """Of three causes, by the definition: every order in which they can change, one by one."""
    values = np.random.default_rng(5).normal(size=(1, 2, 2, 2))
    effects: dict[int, list[float]] = {0: [], 1: [], 2: []}
    for order in permutations(range(3)):
        state = [0, 0, 0]
        for cause in order:
            was = values[(0, *state)]
            state[cause] = 1
            effects[cause].append(values[(0, *state)] - was)
    for cause, of_cause in effects.items():
        assert _shapley_value(values, cause)[0] == pytest.approx(np.mean(of_cause), abs=1e-12)


class WithoutWidth:
    """A model whose quantiles are all one, or none."""

    def __init__(self, value: float) -> None:
        self.value = value

    def predict(self, windows: np.ndarray) -> Prediction:
        shape = (len(windows), N_HORIZONS, N_LEVELS)
        return Prediction(np.full(shape, self.value), np.ones(shape[:2]))


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_where_there_is_no_width_no_share_is_a_number(value: float) -> None:
    now = windows(2)
    shares = attribute_width(now[:1], now[1:], cast(Model, WithoutWidth(value)), gains(1), gains(1))
    assert not np.isfinite(shares).any()
