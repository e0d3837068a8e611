"""Real processes on one store at the same time: always one chain, and nobody is stuck."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.commands import ROOT, spawn
from tests.support.s3_server import BUCKET, S3, s3_server

START = "from pipeline.cli.main import main; main()"
MARKET = ("--bars", "simulated", "--tickers", "SPY,QQQ")
RUN = ("run", *MARKET, "--as-of")
BACKFILL = ("backfill", *MARKET, "--from", "2025-06-02", "--to", "2025-06-20")
TOGETHER = {
    "adjacent sessions": [(*RUN, "2025-06-26"), (*RUN, "2025-06-27")],
    "a backfill twice": [BACKFILL, BACKFILL],
    "two backfills and two runs": [BACKFILL, (*RUN, "2025-06-26"), BACKFILL, (*RUN, "2025-06-27")],
}
# Done, too late for what has gone on meanwhile, or nothing left to do.
CODES = {0, 1}


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with s3_server() as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> tuple[str, Callable[[], int]]:
    return str(tmp_path / "store"), lambda: len(list((tmp_path / "store/runs").iterdir()))


@pytest.fixture
def bucket(
    s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[str, Callable[[], int]]:
    for name, value in s3.environ.items():
        monkeypatch.setenv(name, value)
    return f"s3://{BUCKET}/{tmp_path.name}", lambda: len(s3.objects(f"{tmp_path.name}/runs"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "commands"),
    [
        *(("folder", commands) for commands in TOGETHER.values()),
        ("bucket", TOGETHER["two backfills and two runs"]),
    ],
    ids=[*(f"{name} in a folder" for name in TOGETHER), "all of them in S3"],
)
def test_processes_at_once_leave_one_chain(
    kind: str, commands: list[tuple[str, ...]], request: pytest.FixtureRequest
) -> None:
    store, count_manifests = request.getfixturevalue(kind)
    running = [
        subprocess.Popen(
            [sys.executable, "-c", START, *command, "--store", store],
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
    last = spawn(*RUN, "2025-06-30", "--store", store)
    assert last.returncode == 0, last.stderr
    verified = spawn("verify", "--store", store)
    assert verified.returncode == 0, verified.stdout
    assert re.search(rf"\b{count_manifests()} manifests", verified.stdout)
