"""Training on small data: real torch, real arch, real export."""

from __future__ import annotations

import dataclasses
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from pipeline.bars import Bars
from pipeline.bundle import ModelBundle, load_bundle
from pipeline.errors import DataError, ModelError
from pipeline.intervals import LEVELS
from pipeline.model import Model
from pipeline.training import train
from pipeline.training.proof import FORECASTER, GARCH, prove, ratio
from pipeline.training.range_har import INPUT_NAMES, fit_range_har, har_inputs
from pipeline.training.train import save_bundle, train_bundle, training_set
from tests.builders import bars

MARKET = [bars("SPY", 1200, seed=3), bars("QQQ", 1200, seed=4)]


@pytest.fixture(scope="module")
def trained() -> ModelBundle:
    return train_bundle(MARKET)


def test_a_trained_bundle_can_be_saved_and_loaded(trained: ModelBundle, tmp_path: Path) -> None:
    save_bundle(trained, tmp_path / "new")
    loaded = load_bundle(tmp_path / "new")
    assert loaded == trained
    assert loaded.manifest.training.tickers == ("SPY", "QQQ")
    assert loaded.version.startswith("2024-12-27-")


def test_equal_bars_give_an_equal_bundle(trained: ModelBundle) -> None:
    assert train_bundle(MARKET) == trained


def test_the_graph_equals_the_python_model_for_any_batch(trained: ModelBundle) -> None:
    learnt = training_set(MARKET)
    fitted = fit_range_har(har_inputs(learnt.windows), learnt.returns)
    for n in (1, 2, 4, 7, 500):
        came = Model(trained).predict(learnt.windows[:n])
        quantiles, sigma = fitted.quantiles(har_inputs(learnt.windows[:n]))
        np.testing.assert_allclose(came.log_return_quantiles, quantiles, atol=1e-5)
        np.testing.assert_allclose(came.sigma, sigma, atol=1e-5)


def test_a_graph_that_differs_from_python_is_no_bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    export = train.export_range_har
    wrong = lambda fitted: export(dataclasses.replace(fitted, bias=fitted.bias + 0.01))  # noqa: E731
    monkeypatch.setattr(train, "export_range_har", wrong)
    with pytest.raises(ModelError, match=r"expected the ONNX graph within 1e-05 of Python, got"):
        train_bundle(MARKET)


def test_a_known_volatility_law_is_found_again() -> None:
    random = np.random.default_rng(8)
    inputs = random.normal(-4.6, 0.5, (20_000, len(INPUT_NAMES)))
    inputs[:, -3:] = 0.0
    sigma = np.exp(0.1 + 0.6 * inputs[:, 1] + 0.4 * inputs[:, 2])
    returns = (sigma * random.normal(size=len(sigma)))[:, None]
    fitted = fit_range_har(inputs, returns)
    np.testing.assert_allclose(fitted.weights[1:3, 0], [0.6, 0.4], atol=0.03)
    np.testing.assert_allclose(fitted.z[0, [1, 5, 9]], [-1.96, 0.0, 1.96], atol=0.06)
    below = returns <= fitted.quantiles(inputs)[0][:, 0]
    np.testing.assert_allclose(below.mean(axis=0), LEVELS, atol=0.01)


def test_targets_after_the_last_bar_are_not_learnt() -> None:
    learnt = training_set(MARKET)
    assert np.isnan(learnt.returns[len(learnt.returns) // 2 - 1]).all()
    assert np.isnan(learnt.returns).sum() == 2 * (1 + 2 + 3 + 4 + 5)


def test_too_little_history_is_said_before_anything_is_trained() -> None:
    with pytest.raises(DataError, match="QQQ: expected at least 1000 bars to train on, got 300"):
        train_bundle([MARKET[0], bars("QQQ", 300)])


def test_a_constant_series_is_said_before_anything_is_trained() -> None:
    flat = np.full(1200, 10.0)
    constant = bars("FLAT", 1200, open=flat, high=flat, low=flat, close=flat)
    with pytest.raises(DataError, match="FLAT: expected prices that move, got a constant close"):
        train_bundle([constant])


def test_the_proof_scores_both_models_on_the_same_days_and_never_before_the_date() -> None:
    proof = prove(MARKET, date(2024, 6, 3))
    days = int(np.sum(MARKET[0].session >= np.datetime64("2024-06-03"))) - 1
    for model in (FORECASTER, GARCH):
        assert {ticker: len(one.crps) for ticker, one in proof[model].items()} == {
            "SPY": days,
            "QQQ": days,
        }
    assert 0.8 < ratio(proof, "crps") < 1.2


@pytest.mark.slow
@pytest.mark.real_bars
def test_the_shipped_bundle_is_what_this_repository_trains(
    real_bars: Path, bundle: ModelBundle
) -> None:
    from pipeline.adapters.files import FolderBars

    tickers = bundle.manifest.training.tickers
    reading = FolderBars(real_bars).read(tickers, date(1990, 1, 1), date(2024, 12, 31))
    again = train_bundle([Bars.validated(reading.bars[ticker]) for ticker in tickers])
    assert again.manifest.training == bundle.manifest.training
    windows = training_set([Bars.validated(reading.bars["SPY"])]).windows[-500:]
    ours, theirs = (Model(each).predict(windows) for each in (bundle, again))
    np.testing.assert_allclose(ours.log_return_quantiles, theirs.log_return_quantiles, atol=1e-4)
