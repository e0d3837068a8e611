"""Real processes on one folder at the same time: always one chain, and nobody is stuck."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import ROOT, spawn

START = "from pipeline.cli.main import main; main()"
RUN = ("run", "--bars", "simulated", "--store", "store", "--tickers", "SPY,QQQ", "--as-of")
BACKFILL = (
    *("backfill", "--bars", "simulated", "--store", "store", "--tickers", "SPY,QQQ"),
    *("--from", "2025-06-02", "--to", "2025-06-20"),
)
TOGETHER = {
    "adjacent sessions": [(*RUN, "2025-06-26"), (*RUN, "2025-06-27")],
    "a backfill twice": [BACKFILL, BACKFILL],
    "two backfills and two runs": [BACKFILL, (*RUN, "2025-06-26"), BACKFILL, (*RUN, "2025-06-27")],
}
# Done, too late for what has gone on meanwhile, or nothing left to do.
CODES = {0, 1}


@pytest.mark.slow
@pytest.mark.parametrize("commands", TOGETHER.values(), ids=TOGETHER)
def test_processes_at_once_leave_one_chain(
    commands: list[tuple[str, ...]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    running = [
        subprocess.Popen(
            [sys.executable, "-c", START, *command],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for command in commands
    ]
    for process in running:
        _, err = process.communicate(timeout=300)
        assert process.returncode in CODES, err
        assert "Traceback" not in err
    assert 0 in {process.returncode for process in running}
    last = spawn(*RUN, "2025-06-30")
    assert last.returncode == 0, last.stderr
    verified = spawn("verify", "--store", "store")
    assert verified.returncode == 0, verified.stdout
    assert f"{len(list(Path('store/runs').iterdir()))} manifests" in verified.stdout
