"""The trees on small data: real scikit-learn, real export, real ONNX Runtime."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import onnxruntime as ort
import pytest

from pipeline.evaluation.scoring_rules import pinball_loss
from pipeline.forecasting.features import compute_features
from pipeline.forecasting.levels import LEVELS
from pipeline.forecasting.panel import Panel
from pipeline.forecasting.windows import all_windows, log_returns_ahead
from pipeline.training.graph.inputs import Inputs, derive
from pipeline.training.graph.onnx_graph import serialise
from pipeline.training.members import trees
from pipeline.training.members.member import TrainingRows
from pipeline.training.members.trees import FittedTrees, fit_trees
from tests.support.builders import bars, raw_bars

N_BARS = 2000


def training_rows(vix: bool) -> TrainingRows:
    """Return rows of a market calm or wild for ten sessions, of which the VIX tells in advance."""
    random = np.random.default_rng(5)
    deviation = np.repeat(random.choice([0.005, 0.02], N_BARS // 10), 10)
    close = 400 * np.exp(np.cumsum(deviation * random.standard_normal(N_BARS)))
    flat = {"open": close, "high": close * 1.004, "low": close * 0.996, "close": close}
    one = bars("SPY", N_BARS, **flat)
    foretold = raw_bars("^VIX", N_BARS, close=1600 * np.append(deviation[1:], 0.01))
    panel = Panel.of([one], N_BARS, foretold if vix else None)
    windows = all_windows(compute_features(panel))[0]
    returns = log_returns_ahead(panel.close, (1, 2, 3, 4, 5))[0, -len(windows) :]
    ticker = np.zeros(len(windows), np.intp)
    return TrainingRows(derive(windows), returns, one.session[-len(windows) :], ticker)


@pytest.fixture(scope="module")
def rows() -> TrainingRows:
    return training_rows(vix=True)


@pytest.fixture(scope="module")
def fitted(rows: TrainingRows) -> FittedTrees:
    return fit_trees(rows)


@pytest.fixture(scope="module")
def never_saw_vix() -> FittedTrees:
    return fit_trees(training_rows(vix=False))


def said_by_graph(session: ort.InferenceSession, inputs: Inputs) -> np.ndarray:
    feed = {"columns": inputs.columns, "vix_known": inputs.vix_known}
    return session.run(["quantiles"], feed)[0]


def loss(quantiles: np.ndarray, rows: TrainingRows) -> float:
    in_units = pinball_loss(quantiles, rows.returns[..., None], np.array(LEVELS)).mean(axis=-1)
    return float(np.nanmean(in_units / rows.unit))


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("vix", [True, False])
def test_the_graph_equals_python_and_rows_do_not_depend_on_their_batch(
    fitted: FittedTrees, rows: TrainingRows, vix: bool, threads: int
) -> None:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(serialise(fitted.build_graph()), options)
    inputs = rows.inputs if vix else rows.inputs.hide_vix()
    together = said_by_graph(session, inputs)
    np.testing.assert_allclose(together, fitted.quantiles(inputs), rtol=0, atol=1e-6)
    for n in (1, 2, 4, 7, 500):
        alone = said_by_graph(session, inputs.select(np.arange(n)))
        np.testing.assert_allclose(alone, together[:n], rtol=1e-14)


def test_quantiles_increase_and_cover_what_they_promise(
    fitted: FittedTrees, rows: TrainingRows
) -> None:
    quantiles = fitted.quantiles(rows.inputs)
    assert quantiles.shape == (len(rows.origin), 5, 11)
    assert (np.diff(quantiles, axis=-1) > 0).all()
    realised = np.isfinite(rows.returns).all(axis=1)
    below = rows.returns[realised][..., None] <= quantiles[realised]
    np.testing.assert_allclose(below.mean(axis=(0, 1)), LEVELS, atol=0.02)


def test_the_vix_sharpens_and_a_missing_one_costs_no_more_than_never_having_had_one(
    fitted: FittedTrees, never_saw_vix: FittedTrees, rows: TrainingRows
) -> None:
    never = loss(never_saw_vix.quantiles(rows.inputs.hide_vix()), rows)
    missing = loss(fitted.quantiles(rows.inputs.hide_vix()), rows)
    assert loss(fitted.quantiles(rows.inputs), rows) < 0.97 * missing
    assert missing < 1.02 * never


def test_trees_that_never_saw_a_vix_are_not_moved_by_one(
    never_saw_vix: FittedTrees, rows: TrainingRows
) -> None:
    without = never_saw_vix.quantiles(rows.inputs.hide_vix())
    np.testing.assert_array_equal(never_saw_vix.quantiles(rows.inputs), without)


def test_equal_rows_give_an_equal_and_small_graph(fitted: FittedTrees, rows: TrainingRows) -> None:
    data = serialise(fitted.build_graph())
    assert serialise(fit_trees(rows).build_graph()) == data
    assert len(data) < 100_000


def test_rows_not_realised_at_all_horizons_teach_nothing(
    fitted: FittedTrees, rows: TrainingRows
) -> None:
    realised = np.arange(len(rows.origin)) < len(rows.origin) - 5
    without = fit_trees(rows.select(realised))
    np.testing.assert_array_equal(without.quantiles(rows.inputs), fitted.quantiles(rows.inputs))


def test_sizes_behind_the_quantiles_come_from_fits_on_other_sessions(
    rows: TrainingRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin = rows.origin
    position = np.arange(len(origin), dtype=float)
    told: list[int] = []

    def fit(x: np.ndarray, y: np.ndarray, seed: int) -> SimpleNamespace:
        def predict(asked: np.ndarray) -> np.ndarray:
            told.extend(asked[:, 0].astype(int))
            far = np.abs(origin[asked[:, 0].astype(int), None] - origin[y.astype(int)])
            assert far.min() > np.timedelta64(10, "D")
            return np.ones(len(asked))

        return SimpleNamespace(predict=predict)

    monkeypatch.setattr(trees, "_fit", fit)
    fitted = trees._predict_unseen_sizes(position[:, None], position, origin, 0)
    assert sorted(told) == list(range(len(origin)))
    assert (fitted == 1).all()
