from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import BundleMismatch, NonFiniteOutput, WorseModel
from pipeline.forecasting.bundle import MANIFEST, ONNX, load_bundle, name_version
from pipeline.forecasting.model import Model, Prediction
from pipeline.training import accept as module
from pipeline.training.accept import accept, main
from pipeline.training.gate import refuse_worse
from tests.support.bundles import LAST_SESSION, SCORES, write_bundle

ROOT = Path(__file__).resolve().parents[3]
LOCK = ROOT / "infra" / "training-requirements.txt"


@pytest.fixture
def current(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "current")


def answer(monkeypatch: pytest.MonkeyPatch, factor: float, bent: date) -> None:
    """Let the bundle trained until `bent` say `factor` times what its graph says."""

    class Bent(Model):
        def predict(self, windows: Any) -> Prediction:
            said = super().predict(windows)
            is_bent = self.manifest.training.last_session == bent
            return replace(
                said, log_return_quantiles=said.log_return_quantiles * (factor if is_bent else 1)
            )

    monkeypatch.setattr(module, "Model", Bent)


def test_a_bundle_that_is_no_worse_is_accepted(current: Path, tmp_path: Path) -> None:
    new = write_bundle(tmp_path / "new", date(2030, 2, 1))
    assert accept(current, new) == load_bundle(new)
    assert accept(current, current) == load_bundle(current)


def test_the_gate_is_passed_again(current: Path, tmp_path: Path) -> None:
    new = write_bundle(tmp_path / "new", scores=SCORES | {"coverage_95": 0.9})
    with pytest.raises(WorseModel, match="coverage_95 0.9000 against 0.9470"):
        accept(current, new)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"coverage_95": None}, "coverage_95"),
        ({"crps_ratio_vs_garch_t": None}, "crps_ratio_vs_garch_t"),
        ({"coverage_80": float("nan")}, "coverage_80"),
        ({"crps_ratio_vs_garch_t": float("nan")}, "crps_ratio_vs_garch_t"),
        ({"crps_ratio_vs_garch_t": float("-inf")}, "crps_ratio_vs_garch_t"),
    ],
)
def test_a_score_left_out_or_no_number_is_no_proof(
    changed: dict[str, float | None], named: str
) -> None:
    scores = {name: score for name, score in (SCORES | changed).items() if score is not None}
    with pytest.raises(WorseModel, match=f"got no number for {named}"):
        refuse_worse(scores, SCORES)


def test_a_tickers_coverage_that_is_no_number_is_no_proof() -> None:
    with pytest.raises(WorseModel, match="coverage_95_SPY nan against 0.9500"):
        refuse_worse(SCORES | {"coverage_95_SPY": float("nan")}, SCORES | {"coverage_95_SPY": 0.95})


def test_an_older_bundle_does_not_come_back(current: Path, tmp_path: Path) -> None:
    new = write_bundle(tmp_path / "new", date(2029, 12, 31))
    with pytest.raises(WorseModel, match="until 2030-01-02 or later, got 2029-12-31"):
        accept(current, new)


def test_a_damaged_bundle_is_refused(current: Path, tmp_path: Path) -> None:
    new = write_bundle(tmp_path / "new")
    (new / ONNX).write_bytes((new / ONNX).read_bytes() + b"\0")
    with pytest.raises(BundleMismatch, match="sha256 of model.onnx"):
        accept(current, new)


def test_what_is_no_graph_is_refused(current: Path, tmp_path: Path) -> None:
    onnx = b"no graph"
    digest, version = hashlib.sha256(onnx).hexdigest(), name_version(LAST_SESSION, onnx)
    new = write_bundle(tmp_path / "new", onnx_sha256=digest, model_version=version)
    (new / ONNX).write_bytes(onnx)
    with pytest.raises(BundleMismatch, match="ONNX Runtime cannot load it"):
        accept(current, new)


@pytest.mark.parametrize("factor", [0.2, 4.0])
def test_good_scores_on_paper_do_not_help_a_bad_model(
    current: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, factor: float
) -> None:
    new = write_bundle(tmp_path / "new", date(2030, 2, 1))
    answer(monkeypatch, factor, date(2030, 2, 1))
    with pytest.raises(WorseModel, match=r"at most 1\.1 of the current bundle's"):
        accept(current, new)


@pytest.mark.parametrize("factor", [np.nan, 1e6])
def test_what_could_not_be_published_is_refused(
    current: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, factor: float
) -> None:
    new = write_bundle(tmp_path / "new", date(2030, 2, 1))
    answer(monkeypatch, factor, date(2030, 2, 1))
    with pytest.raises(NonFiniteOutput, match="ascending quantiles near the last close of SPY"):
        accept(current, new)


def test_the_program_prints_the_bill_of_materials(
    current: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = write_bundle(tmp_path / "new")
    assert main([str(current), str(new), str(LOCK)]) == 0
    bill = json.loads(capsys.readouterr().out)
    assert bill["metadata"]["component"]["version"] == load_bundle(new).version


def test_the_program_says_why_not(
    current: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(current, tmp_path / "new")
    (tmp_path / "new" / MANIFEST).write_text("{}")
    assert main([str(current), str(tmp_path / "new"), str(LOCK)]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "new is not accepted: " in printed.err
    assert "Traceback" not in printed.err


def test_it_needs_nothing_of_what_trains() -> None:
    # The job that may write to the repository installs the image's packages alone.
    code = "import sys, pipeline.training.accept; print(*{n.split('.')[0] for n in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    )
    trains = {"torch", "sklearn", "onnx", "mlflow", "arch", "scipy", "matplotlib", "typer", "rich"}
    assert trains.isdisjoint(done.stdout.split())
