"""What a person does after an interruption or damage: go on, repair, give up."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.commands import ROOT, Answer, Forecaster, assert_refused, digests, fill_store

FIRST, LAST = "2025-06-02", "2025-06-13"
BACKFILL = ("backfill", "--bars", "simulated", "--from", FIRST, "--to", LAST)
NEXT = ("run", "--bars", "simulated", "--as-of", "2025-06-16")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill_store(tmp_path_factory.mktemp("record"), *BACKFILL)


@pytest.fixture
def store(forecaster: Forecaster, whole: Path) -> Path:
    shutil.copytree(whole, "store")
    return Path("store")


def test_a_damaged_object_is_repaired_by_hand(forecaster: Forecaster, store: Path) -> None:
    before = digests(store)
    (store / "calibration/2025-06-05.00.json").unlink()
    (store / "forecasts/month=2025-06/2025-06-10.00.parquet").write_bytes(b"PAR1")
    answer = forecaster("repair")
    assert (answer.code, answer.out.splitlines()) == (
        0,
        [
            "Healed    calibration/2025-06-05.00.json",
            "Healed    forecasts/month=2025-06/2025-06-10.00.parquet",
        ],
    )
    assert digests(store) == before
    assert forecaster("verify").code == 0
    assert "nothing to repair" in forecaster("repair").out


def test_the_next_run_heals_what_it_needs_and_tells(forecaster: Forecaster, store: Path) -> None:
    (store / "calibration/2025-06-13.00.json").unlink()
    answer = forecaster(*NEXT)
    assert answer.code == 0
    assert "Healed    calibration/2025-06-13.00.json" in answer.out
    assert forecaster("verify").code == 0


def test_a_vintage_that_is_gone_is_given_up_on_a_word_alone(
    forecaster: Forecaster, store: Path
) -> None:
    key = "bars/month=2025-06/2025-06-13.00.parquet"
    (store / key).unlink()
    for command in (NEXT, ("repair",)):
        answer = forecaster(*command)
        assert (answer.code, "--accept-loss" in answer.err) == (1, True)
        assert key in answer.err + answer.out
    answer = forecaster("repair", "--accept-loss")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out == f"Lost      {key}: accepted; runs go on without it\n"
    assert forecaster(*NEXT).code == 0
    assert f"Lost      {key}" in forecaster("repair").out


def test_repair_answers_machines(forecaster: Forecaster, store: Path) -> None:
    key = "calibration/2025-06-05.00.json"
    (store / key).unlink()
    document = forecaster("repair", "--json").document
    assert (list(document["healed"]), document["lost"], document["damaged"]) == ([key], {}, {})


def test_there_must_be_a_record_to_repair(forecaster: Forecaster) -> None:
    assert_refused(forecaster("repair"), 1, "expected a record", "found none")


@pytest.fixture
def interrupted(tmp_path: Path) -> Iterator[subprocess.CompletedProcess[str]]:
    """A backfill of a year, stopped by Ctrl-C once some sessions are issued."""
    # A job started in the background inherits that Ctrl-C is ignored.
    heed = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    program = heed + "import sys; from pipeline.cli.main import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", program, "backfill", "--bars", "simulated"]
    process = subprocess.Popen(
        [*command, "--from", "2024-06-03", "--to", LAST],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    runs = tmp_path / "store" / "runs"
    while process.poll() is None and not (runs.is_dir() and len(list(runs.iterdir())) > 20):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    yield subprocess.CompletedProcess(command, process.returncode, out, err)


def test_ctrl_c_says_what_is_kept_and_how_to_go_on(
    forecaster: Forecaster, interrupted: subprocess.CompletedProcess[str]
) -> None:
    newest = max(path.name[:10] for path in Path("store/runs").iterdir())
    assert interrupted.returncode == 130
    assert interrupted.stderr.strip() == (
        f"error: interrupted; kept: everything up to {newest}; the same command goes on from there"
    )
    for command in ("show", "status", "verify"):
        answer = forecaster(command)
        assert (answer.code, newest in answer.out) == (0, True)


def test_an_interruption_before_anything_was_issued_says_so(
    forecaster: Forecaster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pipeline.cli.record.backfill", interrupt)
    answer = forecaster(*BACKFILL)
    assert (answer.code, answer.out) == (130, "")
    assert "nothing was issued" in answer.err


@pytest.mark.parametrize("copied", ["a store", "a folder", "a file"])
def test_what_was_lost_is_put_back_from_a_copy(
    forecaster: Forecaster, store: Path, whole: Path, copied: str
) -> None:
    before = digests(store)
    key = Path("bars/month=2025-06/2025-06-13.00.parquet")
    (store / key).unlink()
    Path("copies").mkdir()
    shutil.copy(whole / key, "copies/friday (1).bin")
    where = {"a store": whole, "a folder": "copies", "a file": "copies/friday (1).bin"}[copied]
    answer = forecaster("repair", "--copies", str(where))
    assert (answer.code, answer.out) == (0, f"Healed    {key}\n")
    assert digests(store) == before


def test_a_bundle_s_folder_has_copies_of_its_files(forecaster: Forecaster, store: Path) -> None:
    for path in (store / "bundles").rglob("*.*"):
        path.unlink()
    assert "--copies" in forecaster("repair").err
    assert forecaster("repair", "--copies", str(ROOT / "models" / "default")).code == 0
    assert forecaster("verify").code == 0


def test_a_copy_that_is_another_is_not_taken(forecaster: Forecaster, store: Path) -> None:
    (store / "bars/month=2025-06/2025-06-13.00.parquet").unlink()
    before = digests(store)
    shutil.copy(store / "bars/month=2025-06/2025-06-12.00.parquet", "2025-06-13.00.parquet")
    assert_refused_damage(forecaster("repair", "--copies", "2025-06-13.00.parquet"))
    assert digests(store) == before
    assert_refused(forecaster("repair", "--copies", "nowhere"), 2, "--copies", "'nowhere'")


def assert_refused_damage(answer: Answer) -> None:
    assert (answer.code, "could not 1" in answer.err) == (1, True)
