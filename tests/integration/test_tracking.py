"""Training runs in MLflow: a real SQLite file, read back through MLflow's own client."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.backtest.leaderboard import summarise
from pipeline.errors import StoreError
from pipeline.training.mlflow_tracker import MlflowTracker
from pipeline.training.tracking import NoTracking, Run, Tracker, keep_scores
from tests.support.builders import scores_table

ROOT = Path(__file__).resolve().parents[2]
BOARD = summarise(scores_table({"forecaster": 1.0, "garch_t": 1.2}))


def train(tracker: Tracker, folder: Path) -> None:
    """What a trainer does with a tracker."""
    bundle = folder / "bundle"
    bundle.mkdir()
    (bundle / "model.onnx").write_bytes(b"graph")
    plot = folder / "pit.svg"
    plot.write_text("<svg/>")
    with tracker.start_ensemble("ensemble", {"seed": 7, "until": "2018-12-31"}) as ensemble:
        with tracker.start_member("lstm", {"hidden": 32}) as member:
            for epoch, loss in enumerate((0.5, 0.25, 0.2)):
                member.log_metric("loss", loss, epoch)
        keep_scores(ensemble, BOARD, "forecaster")
        ensemble.log_artifact(bundle)
        ensemble.log_artifact(plot)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tracked")


@pytest.fixture(scope="module")
def runs(place: Path) -> dict[str, Any]:
    """The runs of one training by name; making the tables takes seconds, so once for all."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        uri = f"sqlite:///{place / 'mine.db'}"
        patch.setenv("MLFLOW_TRACKING_URI", uri)
        tracker = MlflowTracker()
        train(tracker, place)
        with pytest.raises(ZeroDivisionError), tracker.start_member("broken", {}):
            raise ZeroDivisionError
        assert tracker.uri == uri
        from mlflow.tracking import MlflowClient

        client = MlflowClient(uri)
        experiment = client.get_experiment_by_name("forecaster")
        found = client.search_runs([experiment.experiment_id])
        histories = {
            run.info.run_name: {
                key: {m.step: m.value for m in client.get_metric_history(run.info.run_id, key)}
                for key in run.data.metrics
            }
            for run in found
        }
        artifacts = {
            run.info.run_name: [
                file.path
                for top in client.list_artifacts(run.info.run_id)
                for file in (client.list_artifacts(run.info.run_id, top.path) or [top])
            ]
            for run in found
        }
    named = {run.info.run_name: run for run in found}
    return {"runs": named, "histories": histories, "artifacts": artifacts}


def test_a_member_is_a_run_within_the_run_of_its_ensemble(runs: dict[str, Any]) -> None:
    ensemble, member = runs["runs"]["ensemble"], runs["runs"]["lstm"]
    assert member.data.tags["mlflow.parentRunId"] == ensemble.info.run_id
    assert "mlflow.parentRunId" not in ensemble.data.tags
    assert (ensemble.data.tags["kind"], member.data.tags["kind"]) == ("ensemble", "member")


def test_parameters_are_kept(runs: dict[str, Any]) -> None:
    assert runs["runs"]["ensemble"].data.params == {"seed": "7", "until": "2018-12-31"}
    assert runs["runs"]["lstm"].data.params == {"hidden": "32"}


def test_metrics_are_kept_per_epoch_and_per_year(runs: dict[str, Any]) -> None:
    assert runs["histories"]["lstm"] == {"loss": {0: 0.5, 1: 0.25, 2: 0.2}}
    kept = runs["histories"]["ensemble"]
    overall, years = BOARD.select_overall("forecaster"), BOARD.select("year", 1, "forecaster")
    assert kept["crps_ratio"] == {0: overall.ratios["crps"]}
    assert kept["coverage_95"] == {0: overall.coverage[95]}
    assert kept["year/crps"] == {int(row.value): row.crps for row in years}
    assert list(kept["year/crps"]) == [2022, 2023, 2024]


def test_the_bundle_and_the_plots_are_kept(runs: dict[str, Any]) -> None:
    assert sorted(runs["artifacts"]["ensemble"]) == ["bundle/model.onnx", "pit.svg"]


def test_a_run_whose_training_raised_is_kept_as_failed(runs: dict[str, Any]) -> None:
    status = {name: run.info.status for name, run in runs["runs"].items()}
    assert status == {"ensemble": "FINISHED", "lstm": "FINISHED", "broken": "FAILED"}


def test_a_run_after_an_ensemble_does_not_belong_to_it(runs: dict[str, Any]) -> None:
    assert "mlflow.parentRunId" not in runs["runs"]["broken"].data.tags


def test_a_store_out_of_reach_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="expected MLflow to keep the run, got: "):
        MlflowTracker(f"sqlite:///{tmp_path}/file/mlflow.db")


def test_mlflow_reports_nothing_to_its_maker(tmp_path: Path) -> None:
    told = (
        "import pipeline.training.mlflow_tracker, mlflow.telemetry as telemetry;"
        "print(telemetry.get_telemetry_client())"
    )
    # Nothing of the environment: MLflow is also silent under CI and pytest.
    command, environment = [sys.executable, "-c", told], {"HOME": str(tmp_path)}
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    assert done.stdout == b"None\n"


def test_without_tracking_a_trainer_runs_the_same(tmp_path: Path) -> None:
    train(NoTracking(), tmp_path)
    with NoTracking().start_member("lstm", {}) as run:
        kept: Run = run
        assert kept.log_metric("loss", 1.0) is None  # type: ignore[func-returns-value]
