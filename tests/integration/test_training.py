"""Training on small data: real torch, real arch, real export, the proof and the gate."""

from __future__ import annotations

import dataclasses
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from pipeline.adapters.bar_folder.folder_bars import FolderBars
from pipeline.backtest.leaderboard import REFERENCE
from pipeline.bars import PRICES, RawBars
from pipeline.errors import BundleMismatch, DataError, ModelError, WorseModel
from pipeline.evaluation.score_table import FORECASTER
from pipeline.forecasting.bundle import ModelBundle, load_bundle
from pipeline.forecasting.levels import LEVELS
from pipeline.forecasting.model import Model
from pipeline.forecasting.windows import Windows
from pipeline.training import trainers
from pipeline.training.bundles import save_bundle
from pipeline.training.gate import read_current_scores, refuse_worse
from pipeline.training.graph.inputs import Inputs
from pipeline.training.graph.window_graph import INPUT_NAMES
from pipeline.training.job import read_all
from pipeline.training.members.har import FittedHar, fit_har
from pipeline.training.members.member import TrainingRows
from pipeline.training.proof import prove
from pipeline.training.trainers import train_ensemble, train_range_har
from tests.support.builders import bars, well_formed_bars

MARKET = [bars("SPY", 1200, seed=3), bars("QQQ", 1200, seed=4)]


@pytest.fixture(scope="module")
def trained() -> ModelBundle:
    return train_range_har(MARKET, None).bundle


def test_a_trained_bundle_can_be_saved_and_loaded(trained: ModelBundle, tmp_path: Path) -> None:
    save_bundle(trained, tmp_path / "new")
    loaded = load_bundle(tmp_path / "new")
    assert loaded == trained
    assert loaded.manifest.training.tickers == ("SPY", "QQQ")
    assert loaded.version.startswith("2024-12-27-")
    assert loaded.manifest.gains["SPY"] == ((1.0,) * 11,) * 5


def test_equal_bars_give_an_equal_bundle(trained: ModelBundle) -> None:
    assert train_range_har(MARKET, None).bundle == trained


def test_a_graph_that_differs_from_python_is_no_bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = FittedHar.build_graph
    monkeypatch.setattr(
        FittedHar,
        "build_graph",
        lambda self: graph(dataclasses.replace(self, bias=self.bias + 0.01)),
    )
    with pytest.raises(ModelError, match=r"expected the ONNX graph within 1e-05 of Python, got"):
        train_range_har(MARKET, None)


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
    trainers.train_range_har(MARKET, None)
    returns = learnt[0].returns
    assert np.isnan(returns[len(returns) // 2 - 1]).all()
    assert np.isnan(returns).sum() == 2 * (1 + 2 + 3 + 4 + 5)


def test_too_little_history_is_said_before_anything_is_trained() -> None:
    with pytest.raises(DataError, match="QQQ: expected at least 1000 bars to train on, got 300"):
        train_range_har([MARKET[0], bars("QQQ", 300)], None)


def test_a_constant_series_is_said_before_anything_is_trained() -> None:
    flat = np.full(1200, 10.0)
    constant = well_formed_bars("FLAT", 1200, open=flat, high=flat, low=flat, close=flat)
    with pytest.raises(DataError, match="FLAT: expected prices that move, got a constant close"):
        train_range_har([constant], None)


def write_csv(folder: Path, of: RawBars, **columns: np.ndarray) -> None:
    prices = [columns.get(name, getattr(of, name)) for name in PRICES]
    lines = [",".join(map(str, row)) for row in zip(of.session, *prices, strict=True)]
    text = "\n".join(["Date,Open,High,Low,Close", *lines])
    (folder / f"{of.ticker}.csv").write_text(text.replace("nan", ""))


SPAN = (date(2000, 1, 1), date(2025, 1, 1))


def test_a_missing_ticker_stops_the_training(tmp_path: Path) -> None:
    write_csv(tmp_path, MARKET[0])
    with pytest.raises(DataError, match="DIA: expected one of DIA.csv"):
        read_all(FolderBars(tmp_path), ["SPY", "DIA"], *SPAN)


@pytest.mark.parametrize("name", PRICES)
def test_a_hole_stops_the_training(tmp_path: Path, name: str) -> None:
    write_csv(tmp_path, MARKET[0])
    hole = np.where(np.arange(1200) == 700, np.nan, getattr(MARKET[1], name))
    write_csv(tmp_path, MARKET[1], **{name: hole})
    with pytest.raises(DataError, match=f"QQQ: on {MARKET[1].session[700]} a price is NaN"):
        read_all(FolderBars(tmp_path), ["SPY", "QQQ"], *SPAN)


def test_closes_adjusted_among_raw_prices_stop_the_training(tmp_path: Path) -> None:
    write_csv(tmp_path, MARKET[0])
    factor = np.linspace(0.8, 1.0, 1200)
    write_csv(tmp_path, MARKET[1], close=MARKET[1].close * factor)
    with pytest.raises(DataError, match="QQQ: expected closes between low and high, got .* on 20"):
        read_all(FolderBars(tmp_path), ["SPY", "QQQ"], *SPAN)


def test_a_ticker_adjusted_among_raw_ones_is_said_before_anything_is_trained() -> None:
    cents = {name: np.round(getattr(MARKET[0], name), 2) for name in PRICES}
    with pytest.raises(DataError, match="QQQ: expected prices in cents, like SPY, got on 2021-01"):
        train_range_har([dataclasses.replace(MARKET[0], **cents), MARKET[1]], None)


def test_the_proof_scores_both_models_on_the_same_days_and_never_before_the_date() -> None:
    first = date(2024, 6, 3)
    seen: list[np.datetime64] = []

    def trainer(of: list, vix: None) -> object:
        seen.extend(one.session[-1] for one in of)
        return train_range_har(of, vix)

    board = prove(MARKET, None, first, trainer).board
    assert max(seen) < np.datetime64(first)
    days = int(np.sum(MARKET[0].session >= np.datetime64(first))) - 1
    for model in (FORECASTER, REFERENCE):
        assert [row.forecasts for row in board.select("ticker", 1, model)] == [days, days]
    assert 0.8 < board.select_overall(FORECASTER).ratios["crps"] < 1.2


GOOD = {
    "crps_ratio_vs_garch_t": 0.97,
    "coverage_50": 0.47,
    "coverage_95": 0.947,
    "coverage_50_QQQ": 0.5,
    "coverage_95_SPY": 0.951,
    "coverage_95_QQQ": 0.942,
}


@pytest.mark.parametrize(
    "other",
    [
        {},
        {"crps_ratio_vs_garch_t": 0.9715},
        {"crps_ratio_vs_garch_t": 0.95, "coverage_95_SPY": 0.9595},
        {"coverage_50": 0.466},
        {"coverage_50": 0.505},
        {"coverage_50_QQQ": 0.44},
    ],
    ids=["equal", "within noise", "better", "as far off", "nearer", "one ticker's 50 %"],
)
def test_the_gate_lets_through_what_is_not_worse(other: dict[str, float]) -> None:
    assert refuse_worse(GOOD | other, GOOD) is None


def test_the_gate_lets_anything_replace_what_has_no_proof() -> None:
    for other in (GOOD | {"crps_ratio_vs_garch_t": 1.5}, {}):
        assert refuse_worse(other, {}) is None


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"crps_ratio_vs_garch_t": 0.98}, "CRPS 0.9800 against 0.9700"),
        ({"coverage_50": 0.46}, "coverage_50 0.4600 against 0.4700"),
        ({"coverage_95": 0.97}, "coverage_95 0.9700 against 0.9470"),
        ({"coverage_95_QQQ": 0.93}, "coverage_95_QQQ 0.9300 against 0.9420"),
        ({"coverage_95_SPY": 0.97}, "coverage_95_SPY 0.9700 against 0.9510"),
    ],
)
def test_the_gate_names_what_is_worse(other: dict[str, float], message: str) -> None:
    with pytest.raises(WorseModel, match=f"not worse than the current one.*{message}") as refused:
        refuse_worse(GOOD | other, GOOD)
    assert refused.value.current == GOOD
    assert refused.value.new == GOOD | other


def test_the_gate_lets_nothing_unproven_replace_what_is_proven() -> None:
    with pytest.raises(WorseModel, match="got one without proof"):
        refuse_worse({}, GOOD)


def test_the_current_scores_are_those_of_the_folders_bundle(
    bundle: ModelBundle, tmp_path: Path
) -> None:
    assert read_current_scores(tmp_path) == {}
    save_bundle(bundle, tmp_path)
    assert read_current_scores(tmp_path) == bundle.manifest.scores
    (tmp_path / "model.onnx").write_bytes(b"damaged")
    with pytest.raises(BundleMismatch):
        read_current_scores(tmp_path)


@pytest.mark.slow
@pytest.mark.real_bars
def test_the_shipped_bundle_is_what_this_repository_trains(
    real_bars: Path, bundle: ModelBundle
) -> None:
    tickers = bundle.manifest.training.tickers
    span = (date(1970, 1, 1), date(2024, 12, 31))
    of, vix = read_all(FolderBars(real_bars), tickers, *span)
    again = train_ensemble(of, vix).bundle
    assert again.manifest.training == bundle.manifest.training
    assert again.manifest.covariates == bundle.manifest.covariates
    windows = windows_of(of[0], vix)
    ours, theirs = (Model(each).predict(windows) for each in (bundle, again))
    np.testing.assert_allclose(ours.log_return_quantiles, theirs.log_return_quantiles, atol=1e-3)


def windows_of(one: object, vix: object) -> Windows:
    from pipeline.forecasting.features import compute_features
    from pipeline.forecasting.panel import Panel
    from pipeline.forecasting.windows import all_windows

    return all_windows(compute_features(Panel.of([one], 700, vix)))[0]
