"""AWS on this machine for the tests of a deployment: started, asked, stopped."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import boto3.session
import pytest

from tests.e2e.emulator import emulator_binary, lambda_python
from tests.e2e.runtimes import ACCOUNT, REGION, variables
from tests.support.packaged import IMAGE, ROOT, require_node, serverless

CLOUD = ROOT / ".venv-cloud" / "bin" / "python"
PARAMS = {"image": "prebuilt", "imageUri": IMAGE, "bars": "simulated", "digest": "mail"}
# The framework looks every five seconds whether a stack is done; here it is done at once.
LOOKS = {"SLS_AWS_MONITORING_FREQUENCY": "100"}
NAME = "financial-forecaster-dev"
BUCKET = f"{NAME}-{ACCOUNT}-{REGION}"

T = TypeVar("T")


@cache
def make_client(service: str, address: str, **keys: str) -> Any:
    """Return a client; each is made once, for that takes longer than most calls by it."""
    session = boto3.session.Session()
    return session.client(service, endpoint_url=address, region_name=REGION, **keys)


@dataclass(frozen=True)
class Cloud:
    """A cloud with its address; whoever has the account's own key may do all."""

    environ: Mapping[str, str]
    faults: Path
    clone: Path

    def client(self, service: str, **keys: str) -> Any:
        """Return a client of a service, as the account's owner unless `keys` name somebody."""
        given = {
            "aws_access_key_id": self.environ["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": self.environ["AWS_SECRET_ACCESS_KEY"],
            **keys,
        }
        return make_client(service, self.environ["AWS_ENDPOINT_URL"], **given)

    def ask_athena(self, sql: str) -> list[list[str]]:
        """Return what Athena answers, in the deployed workgroup and database."""
        athena = self.client("athena")
        started = athena.start_query_execution(
            QueryString=sql,
            WorkGroup=NAME,
            QueryExecutionContext={"Database": NAME.replace("-", "_")},
        )["QueryExecutionId"]

        def ended() -> Any:
            execution = athena.get_query_execution(QueryExecutionId=started)["QueryExecution"]
            return execution if execution["Status"]["State"] in ("SUCCEEDED", "FAILED") else None

        status = eventually(ended)["Status"]
        assert status["State"] == "SUCCEEDED", status
        answered = athena.get_query_results(QueryExecutionId=started)["ResultSet"]["Rows"]
        return [[cell.get("VarCharValue", "") for cell in row["Data"]] for row in answered[1:]]

    def serverless(self, command: str, **params: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the framework on stage dev, with the simulated market."""
        given = {**PARAMS, **params}
        return serverless(
            command, stage="dev", params=given, environ=self.environ, folder=self.clone
        )

    def forecaster(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of ours."""
        start = "from pipeline.cli.main import main; main()"
        return self._run(sys.executable, "-c", start, *arguments)

    def make(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run make as a user would, also where make runs the tests."""
        return self._run("make", "--no-print-directory", *arguments)

    def _run(self, *command: str) -> subprocess.CompletedProcess[str]:
        # A make above would have its flags and its job server used by the one below.
        outside = {k: v for k, v in os.environ.items() if k not in {"MAKEFLAGS", "MAKELEVEL"}}
        return subprocess.run(
            command,
            cwd=self.clone,
            env={**outside, **self.environ, "SLS_TELEMETRY_DISABLED": "1"},
            check=False,
            capture_output=True,
            text=True,
        )


@contextmanager
def local_cloud(folder: Path) -> Iterator[Cloud]:
    """Run a cloud until the block ends; skips the test where a part of it is missing.

    What a test arms in its `faults` goes wrong: see `faults.py`.
    """
    if not CLOUD.exists():
        pytest.skip("expected .venv-cloud with ministack, got none: make test makes it")
    require_node(), emulator_binary(), lambda_python()
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    log, faults = folder / "cloud.log", folder / "faults"
    faults.mkdir()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [CLOUD, "-m", "tests.e2e.local_cloud", str(port)],
            cwd=ROOT,
            env={**os.environ, "FORECASTER_CLOUD_FAULTS": str(faults)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            eventually(lambda: _listens(process, port, log))
            yield Cloud(variables(port) | LOOKS, faults, clone(folder / "clone"))
        finally:
            process.terminate()
            process.wait(30)


def clone(folder: Path) -> Path:
    """Return a folder with all that a deployment is made of, so that two are made at a time.

    What the framework keeps has one place beside serverless.yml, which is a file of its own there.
    """
    folder.mkdir()
    for path in ROOT.iterdir():
        if path.name not in ("serverless.yml", ".serverless"):
            (folder / path.name).symlink_to(path)
    shutil.copy(ROOT / "serverless.yml", folder)
    return folder


def _listens(process: subprocess.Popen[bytes], port: int, log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def eventually(look: Callable[[], T], seconds: float = 60) -> T:
    """Return what `look` sees as soon as it sees something; fails when it never does."""
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < deadline, f"expected to see something within {seconds} s"
        time.sleep(0.2)
    return seen
