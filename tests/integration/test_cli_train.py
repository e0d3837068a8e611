"""The command that trains a model."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pytest
from msgspec import UNSET

from pipeline.forecasting.bundle import load_bundle
from pipeline.forecasting.calibration import BROAD_CALIBRATOR
from pipeline.wiring import DEFAULT_BUNDLE
from tests.support.commands import SESSION, Forecaster, assert_refused, break_line, digests


@pytest.mark.training
def test_a_trained_bundle_carries_its_proof_and_forecasts(
    forecaster: Forecaster, history: Path
) -> None:
    args = ("--bars", history, "--tickers", "SPY", "--prove-from", "2024-10-01")
    answer = forecaster("train", *args, "--until", "2024-12-31", "--out", "bundle")
    assert (answer.code, answer.err) == (0, "")
    manifest = load_bundle(Path("bundle")).manifest
    assert manifest.training.last_session == date(2024, 12, 31)
    assert f"Trained {manifest.model_version}, written to bundle" in answer.out
    assert "trained on what came before 2024-10-01" in answer.out
    for name in ("crps_ratio_vs_garch_t", "interval_score_95_ratio_vs_garch_t", "coverage_95"):
        assert manifest.scores[name] == manifest.scores[f"{name}_SPY"]
        assert answer.out.count(f" {manifest.scores[name]:.3f}") >= 2
    ran = forecaster("run", "--bars", "simulated", "--as-of", SESSION, "--bundle", "bundle")
    assert ran.code == 0
    assert_tracked(manifest.members)


def assert_tracked(members: Mapping[str, float]) -> None:
    """The run of the ensemble, and one of each member, are kept with all that belongs to them."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient("sqlite:///mlflow.db")
    experiment = client.get_experiment_by_name("forecaster")
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert set(runs) == {"ensemble", *members}
    for name, run in runs.items():
        assert run.info.status == "FINISHED"
        assert run.data.params["seed"] == "0"
        assert {"crps_ratio", "coverage_95", "year/crps_ratio"} <= set(run.data.metrics)
        years = client.get_metric_history(run.info.run_id, "year/crps_ratio")
        assert [year.step for year in years] == [2024]
        assert (run.data.tags["kind"] == "ensemble") == (name == "ensemble")
    ensemble = runs["ensemble"].info.run_id
    kept = {
        file.path for top in ("bundle", "plots") for file in client.list_artifacts(ensemble, top)
    }
    assert kept >= {"bundle/model.onnx", "bundle/manifest.json", "plots/pit.svg"}
    shares = {name: runs["ensemble"].data.metrics[f"share/{name}"] for name in members}
    assert shares == pytest.approx(members)


@pytest.mark.parametrize("broad", [True, False])
def test_gains_of_a_broad_bundle_learn_otherwise(
    forecaster: Forecaster, history: Path, monkeypatch: pytest.MonkeyPatch, *, broad: bool
) -> None:
    from pipeline.training import job, trainers

    quick = trainers.train_range_har
    monkeypatch.setattr(job, "train_ensemble", lambda bars, vix, *_: quick(bars, vix))
    args = ("--bars", history, "--tickers", "SPY", "--out", "bundle", *["--broad"] * broad)
    assert forecaster("train", *args).code == 0
    manifest = load_bundle(Path("bundle")).manifest
    assert manifest.own_calibrator == (BROAD_CALIBRATOR if broad else UNSET)


def test_a_worse_bundle_is_refused_with_both_leaderboards(
    forecaster: Forecaster, history: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.training import job, trainers

    quick = trainers.train_range_har
    monkeypatch.setattr(job, "train_ensemble", lambda bars, vix, *_: quick(bars, vix))
    shutil.copytree(DEFAULT_BUNDLE, "bundle")
    manifest = Path("bundle/manifest.json")
    better = {"crps_ratio_vs_garch_t": 0.5, "coverage_95": 0.95, "crps_ratio_vs_garch_t_QQQ": 0.6}
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"scores": better}))
    before = digests(Path("bundle"))
    args = ("train", "--bars", history, "--tickers", "SPY", "--prove-from", "2024-10-01")
    args = (*args, "--out", "bundle")
    machine = forecaster(*args, "--json")
    assert machine.code == 1
    assert machine.document["current"] == better
    assert machine.document["refused"] in machine.err
    new = machine.document["new"]["crps_ratio_vs_garch_t"]
    refused = forecaster(*args)
    assert refused.code == 1
    assert refused.err.startswith("error: expected a bundle not worse than the current one, which")
    assert f"CRPS {new:.4f} against 0.5000 of GARCH(1,1)-t's" in refused.err
    [row] = [line.split() for line in refused.out.splitlines() if line.startswith(" CRPS ")]
    assert row == ["CRPS", "0.500", f"{new:.3f}", "0.600", f"{new:.3f}"]
    assert digests(Path("bundle")) == before


def test_prices_adjusted_in_part_stop_the_training(forecaster: Forecaster, history: Path) -> None:
    lines = (history / "SPY.csv").read_text().splitlines()
    rows = [line.split(",") for line in lines]
    for row in rows[1:700]:
        row[4] = str(0.97 * float(row[4]))
    (history / "SPY.csv").write_text("\n".join(",".join(row) for row in rows) + "\n")
    answer = forecaster("train", "--bars", history, "--tickers", "SPY", "--out", "bundle")
    assert_refused(answer, 1, "SPY: expected closes between low and high", "adjusted for dividends")
    assert list(Path("bundle").iterdir()) == []


@pytest.mark.training
def test_without_enough_bars_to_prove_the_bundle_says_so(
    forecaster: Forecaster, history: Path
) -> None:
    args = ("train", "--bars", history, "--tickers", "SPY", "--out", "bundle")
    answer = forecaster(*args)
    assert answer.code == 0
    assert "Note: no proof. SPY: expected at least 1000 bars before 2019-01-01" in answer.out
    assert load_bundle(Path("bundle")).manifest.scores == {}
    document = forecaster(*args, "--json").document
    assert document["scores"] == {}
    assert document["model_version"] == load_bundle(Path("bundle")).version


@pytest.mark.training
def test_too_few_bars_to_train_on_exit_1(forecaster: Forecaster, bars: Path) -> None:
    answer = forecaster("train", "--bars", bars, "--out", "bundle")
    assert_refused(answer, 1, "SPY: expected at least 1000 bars to train on, got 320")


@pytest.mark.training
def test_a_ticker_that_cannot_be_read_stops_the_training(
    forecaster: Forecaster, history: Path
) -> None:
    break_line(history / "SPY.csv", 5, "2020-01-07,1,2")
    answer = forecaster("train", "--bars", history, "--tickers", "SPY", "--out", "bundle")
    assert_refused(answer, 1, "SPY.csv: line 5: expected 8 fields, got 3")


@pytest.mark.training
def test_a_bundle_that_cannot_be_written_exits_1(forecaster: Forecaster, history: Path) -> None:
    Path("bundle/model.onnx").mkdir(parents=True)
    answer = forecaster("train", "--bars", history, "--tickers", "SPY", "--out", "bundle")
    assert_refused(answer, 1, "expected to replace bundle/model.onnx")


@pytest.mark.training
def test_without_the_training_libraries_one_line_says_how_to_install_them(
    forecaster: Forecaster, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("pipeline.training")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "onnx", None)
    answer = forecaster("train", "--bars", "simulated", "--out", "bundle")
    assert_refused(answer, 2, "pip install '.[training]'", "onnx")
