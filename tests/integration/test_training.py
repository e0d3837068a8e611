"""Training on small data: real torch, real arch, real export, the proof and the gate."""

from __future__ import annotations

import dataclasses
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from pipeline.adapters.files import FolderBars
from pipeline.bundle import ModelBundle, load_bundle
from pipeline.errors import DataError, ModelError
from pipeline.intervals import LEVELS
from pipeline.leaderboard.board import REFERENCE
from pipeline.leaderboard.cube import FORECASTER
from pipeline.model import Model
from pipeline.training import trainers
from pipeline.training.har import FittedHar, fit_har
from pipeline.training.inputs import Inputs
from pipeline.training.job import read_all, refuse_worse
from pipeline.training.members import TrainingRows
from pipeline.training.proof import prove
from pipeline.training.train import save_bundle
from pipeline.training.trainers import ensemble, range_har_alone
from pipeline.training.window_graph import INPUT_NAMES
from pipeline.windows import Windows
from tests.builders import bars, raw_bars

MARKET = [bars("SPY", 1200, seed=3), bars("QQQ", 1200, seed=4)]


@pytest.fixture(scope="module")
def trained() -> ModelBundle:
    return range_har_alone(MARKET, None).bundle


def test_a_trained_bundle_can_be_saved_and_loaded(trained: ModelBundle, tmp_path: Path) -> None:
    save_bundle(trained, tmp_path / "new")
    loaded = load_bundle(tmp_path / "new")
    assert loaded == trained
    assert loaded.manifest.training.tickers == ("SPY", "QQQ")
    assert loaded.version.startswith("2024-12-27-")
    assert loaded.manifest.gains["SPY"] == ((1.0,) * 11,) * 5


def test_equal_bars_give_an_equal_bundle(trained: ModelBundle) -> None:
    assert range_har_alone(MARKET, None).bundle == trained


def test_a_graph_that_differs_from_python_is_no_bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = FittedHar.graph
    monkeypatch.setattr(
        FittedHar, "graph", lambda self: graph(dataclasses.replace(self, bias=self.bias + 0.01))
    )
    with pytest.raises(ModelError, match=r"expected the ONNX graph within 1e-05 of Python, got"):
        range_har_alone(MARKET, None)


def test_a_known_volatility_law_is_found_again() -> None:
    random = np.random.default_rng(8)
    columns = random.normal(0.0, 0.3, (20_000, len(INPUT_NAMES)))
    level, week = INPUT_NAMES.index("level"), INPUT_NAMES.index("volatility_5")
    columns[:, level] -= 4.6
    sigma = np.exp(0.1 + 0.9 * columns[:, level] + 0.4 * columns[:, week])
    n = len(sigma)
    inputs = Inputs(columns, np.zeros((n, 60, 14), np.float32), np.zeros((n, 1)))
    returns = (sigma * random.normal(size=n))[:, None]
    origin = np.arange(n).astype("datetime64[D]")
    fitted = fit_har(TrainingRows(inputs, returns, origin, np.zeros(n, int)))
    np.testing.assert_allclose(fitted.weights[0, [level, week], 0], [0.9, 0.4], atol=0.03)
    quantiles = fitted.quantiles(inputs)[:, 0]
    np.testing.assert_allclose((returns <= quantiles).mean(axis=0), LEVELS, atol=0.01)


def test_targets_after_the_last_bar_are_not_learnt(monkeypatch: pytest.MonkeyPatch) -> None:
    learnt: list[TrainingRows] = []

    def remember(rows: TrainingRows) -> FittedHar:
        learnt.append(rows)
        return fit_har(rows)

    monkeypatch.setattr(trainers, "fit_har", remember)
    trainers.range_har_alone(MARKET, None)
    returns = learnt[0].returns
    assert np.isnan(returns[len(returns) // 2 - 1]).all()
    assert np.isnan(returns).sum() == 2 * (1 + 2 + 3 + 4 + 5)


def test_too_little_history_is_said_before_anything_is_trained() -> None:
    with pytest.raises(DataError, match="QQQ: expected at least 1000 bars to train on, got 300"):
        range_har_alone([MARKET[0], bars("QQQ", 300)], None)


def test_a_constant_series_is_said_before_anything_is_trained() -> None:
    flat = np.full(1200, 10.0)
    constant = bars("FLAT", 1200, open=flat, high=flat, low=flat, close=flat)
    with pytest.raises(DataError, match="FLAT: expected prices that move, got a constant close"):
        range_har_alone([constant], None)


def test_a_missing_ticker_and_a_hole_stop_the_training(tmp_path: Path) -> None:
    raw = raw_bars("SPY")
    lines = [f"{day},{o},{o},{o},{o}" for day, o in zip(raw.session, raw.open, strict=True)]
    (tmp_path / "SPY.csv").write_text("Date,Open,High,Low,Close\n" + "\n".join(lines))
    (tmp_path / "QQQ.csv").write_text("Date,Open,High,Low,Close\n" + f"{lines[0][:10]},1,1,1,\n")
    span = (date(2000, 1, 1), date(2025, 1, 1))
    with pytest.raises(DataError, match="DIA: expected one of DIA.csv"):
        read_all(FolderBars(tmp_path), ["SPY", "DIA"], *span)
    with pytest.raises(DataError, match="QQQ: on .* a price is NaN"):
        read_all(FolderBars(tmp_path), ["SPY", "QQQ"], *span)


def test_the_proof_scores_both_models_on_the_same_days_and_never_before_the_date() -> None:
    first = date(2024, 6, 3)
    seen: list[np.datetime64] = []

    def trainer(of: list, vix: None) -> object:
        seen.extend(one.session[-1] for one in of)
        return range_har_alone(of, vix)

    board = prove(MARKET, None, first, trainer).board
    assert max(seen) < np.datetime64(first)
    days = int(np.sum(MARKET[0].session >= np.datetime64(first))) - 1
    for model in (FORECASTER, REFERENCE):
        assert [row.forecasts for row in board.select("ticker", 1, model)] == [days, days]
    assert 0.8 < board.overall(FORECASTER).ratios["crps"] < 1.2


GOOD = {"crps_ratio_vs_garch_t": 0.97, "coverage_95_SPY": 0.951, "coverage_95_QQQ": 0.942}


@pytest.mark.parametrize(
    "new",
    [
        GOOD,
        {**GOOD, "crps_ratio_vs_garch_t": 0.9715},
        {**GOOD, "crps_ratio_vs_garch_t": 0.95, "coverage_95_SPY": 0.9595},
        {},
    ],
    ids=["equal", "within noise", "better", "without proof"],
)
def test_the_gate_lets_through_what_is_not_worse(new: dict[str, float]) -> None:
    refuse_worse(new, GOOD)
    refuse_worse(new, {})


@pytest.mark.parametrize(
    ("new", "message"),
    [
        ({**GOOD, "crps_ratio_vs_garch_t": 0.98}, "CRPS 0.9800 against 0.9700"),
        ({**GOOD, "coverage_95_QQQ": 0.93}, "coverage_95_QQQ 0.9300 against 0.9420"),
        ({**GOOD, "coverage_95_SPY": 0.97}, "coverage_95_SPY 0.9700 against 0.9510"),
    ],
)
def test_the_gate_names_what_is_worse(new: dict[str, float], message: str) -> None:
    with pytest.raises(ModelError, match=f"not worse than the current one.*{message}"):
        refuse_worse(new, GOOD)


@pytest.mark.slow
@pytest.mark.real_bars
def test_the_shipped_bundle_is_what_this_repository_trains(
    real_bars: Path, bundle: ModelBundle
) -> None:
    tickers = bundle.manifest.training.tickers
    span = (date(1970, 1, 1), date(2024, 12, 31))
    of, vix = read_all(FolderBars(real_bars), tickers, *span)
    again = ensemble(of, vix).bundle
    assert again.manifest.training == bundle.manifest.training
    assert again.manifest.covariates == bundle.manifest.covariates
    windows = windows_of(of[0], vix)
    ours, theirs = (Model(each).predict(windows) for each in (bundle, again))
    np.testing.assert_allclose(ours.log_return_quantiles, theirs.log_return_quantiles, atol=1e-3)


def windows_of(one: object, vix: object) -> Windows:
    from pipeline.bars import Panel
    from pipeline.features import compute_features
    from pipeline.windows import all_windows

    return all_windows(compute_features(Panel.of([one], 700, vix)))[0]
