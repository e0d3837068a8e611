"""The ensemble on small data: real torch, scikit-learn, onnxscript and ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.errors import DataError
from pipeline.forecasting.calibration import NEUTRAL
from pipeline.forecasting.features import FEATURE_NAMES, compute_features
from pipeline.forecasting.forecast import forecast
from pipeline.forecasting.model import Model
from pipeline.forecasting.panel import Panel
from pipeline.forecasting.windows import all_windows
from pipeline.training.graph.inputs import derive
from pipeline.training.graph.window_graph import HALF_LIVES, INPUT_NAMES
from pipeline.training.trainers import TrainedEnsemble, train_ensemble
from tests.support.builders import bars, raw_bars
from tests.support.quick_training import train_in_a_moment

MARKET = [bars("SPY", 1100, seed=3), bars("QQQ", 1100, seed=4)]
VIX = raw_bars("^VIX", 1100, close=15 + 5 * np.sin(np.arange(1100) / 50))
FEATURE = {name: i for i, name in enumerate(FEATURE_NAMES)}


@pytest.fixture(scope="module")
def trained() -> TrainedEnsemble:
    with pytest.MonkeyPatch.context() as patch:
        train_in_a_moment(patch)
        return train_ensemble(MARKET, VIX)


def windows(vix: bool = True) -> np.ndarray:
    panel = Panel.of(MARKET[:1], 400, VIX if vix else None)
    return all_windows(compute_features(panel))[0]


def test_inputs_equal_their_definitions() -> None:
    window = windows()[17:18]
    w = {name: window[0, :, i].astype(float) for name, i in FEATURE.items()}
    level = w["log_volatility_22"][-1]
    shock = (w["overnight_return"] + w["intraday_return"]) / np.exp(w["log_volatility_22"])
    slide = (w["log_close"][-1] - w["log_close"][-6]) / (np.exp(level) * np.sqrt(5))
    expected = {
        "level": level,
        "volatility_1": w["log_volatility"][-1] - level,
        "volatility_60": w["log_volatility"].mean() - level,
        "fall": min(max(shock[-1], -3), 0),
        "rise": max(min(shock[-1], 3), 0),
        "slide_5": min(max(slide, -2.5), 0),
        "climb_5": max(min(slide, 2.5), 0),
        "drawdown": min(max(w["drawdown_66"][-1] / np.exp(level) / 8, -1.5), 0),
        "weekend": float(w["days_to_next"][-1] > 1),
        "vix_rise": w["log_vix"][-1] - w["log_vix"].mean(),
        "vix_over_volatility": w["log_vix"][-1] - level - np.log(100 * np.sqrt(252)),
    }
    for half_life in HALF_LIVES:
        weights = 0.5 ** (np.arange(59, -1, -1) / half_life)
        smooth = (weights * w["log_volatility"]).sum() / weights.sum()
        falls = (weights * np.clip(shock, -3, 0)).sum() / weights.sum()
        expected[f"volatility_half_life_{half_life}"] = smooth - level
        expected[f"falls_half_life_{half_life}"] = falls
    came = derive(window)
    for name, value in expected.items():
        assert came.select_column(name)[0] == pytest.approx(value, abs=1e-9), name
    assert came.vix_known[0, 0] == 1


def test_a_missing_vix_is_what_without_vix_says() -> None:
    missing, hidden = derive(windows(vix=False)), derive(windows()).hide_vix()
    assert (missing.vix_known == 0).all()
    assert np.array_equal(missing.columns, hidden.columns)
    assert np.array_equal(missing.channels, hidden.channels)
    assert len(INPUT_NAMES) == missing.columns.shape[1]


def test_a_bundle_of_all_members_keeps_the_contract(trained: TrainedEnsemble) -> None:
    manifest = trained.bundle.manifest
    assert set(manifest.members) == {"range_har", "lstm", "trees"}
    assert sum(manifest.members.values()) == pytest.approx(1.0)
    assert manifest.covariates == ("^VIX",)
    assert set(trained.members) == set(manifest.members)
    assert len(trained.bundle.onnx) < 3_000_000


@pytest.mark.parametrize("vix", [True, False])
def test_rows_do_not_depend_on_their_batch(trained: TrainedEnsemble, vix: bool) -> None:
    model, many = Model(trained.bundle), windows(vix)
    together = model.predict(many)
    for n in (1, 2, 4, 7):
        alone = model.predict(many[:n])
        assert np.array_equal(alone.log_return_quantiles, together.log_return_quantiles[:n])
        assert np.array_equal(alone.sigma, together.sigma[:n])
    assert (np.diff(together.log_return_quantiles, axis=-1) >= 0).all()
    assert (together.sigma > 0).all()


def test_a_forecast_without_vix_works_and_differs(trained: TrainedEnsemble) -> None:
    model = Model(trained.bundle)
    with_, without = (forecast(MARKET, model, NEUTRAL, vix) for vix in (VIX, None))
    assert with_.finite.all()
    assert without.finite.all()
    assert not np.array_equal(with_.log_return_quantiles, without.log_return_quantiles)


def test_a_member_alone_has_all_the_say(trained: TrainedEnsemble) -> None:
    many = windows()
    parts = {
        name: Model(bundle).predict(many).log_return_quantiles
        for name, bundle in trained.members.items()
    }
    shares = trained.bundle.manifest.members
    mean = sum(shares[name] * part for name, part in parts.items())
    came = Model(trained.bundle).predict(many).log_return_quantiles
    np.testing.assert_allclose(came, mean, atol=1e-7)


def test_equal_bars_and_seed_give_an_equal_bundle(
    trained: TrainedEnsemble, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_in_a_moment(monkeypatch)
    assert train_ensemble(MARKET, VIX).bundle == trained.bundle
    assert train_ensemble(MARKET, VIX, seed=1).bundle != trained.bundle


def test_too_little_history_is_said_before_anything_is_trained() -> None:
    with pytest.raises(DataError, match="QQQ: expected at least 1000 bars to train on, got 300"):
        train_ensemble([MARKET[0], bars("QQQ", 300)], None)
