"""A function under AWS's Runtime Interface Emulator: the runtime and the API that Lambda has."""

from __future__ import annotations

import fcntl
import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from threading import Lock
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-lambda" / "bin" / "python"
CACHE = ROOT / ".cache" / "aws-sam-cli-1.170.0"
# Its wheel has the emulator in it; the command line tool itself is not used.
SAM_CLI = (
    "aws-sam-cli==1.170.0 "
    "--hash=sha256:24ebaf5ecba38dc1758089968cb89ab61e124b84e92a344fc7a2771a47f4d0bf"
)
MACHINES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}
INVOCATIONS = "/2015-03-31/functions/function/invocations"


@dataclass(frozen=True)
class Emulator:
    """A function that answers; it takes one call at a time, a second one would kill it."""

    port: int
    out: Path
    err: Path
    pid: int
    events: list[Any] = field(default_factory=list)  # the last one is under way, or was
    _lock: Lock = field(default_factory=Lock)

    def invoke(self, event: Any) -> Any:
        """Return what the function answers; for an exception, an object with its errorType."""
        with self._lock, closing(HTTPConnection("127.0.0.1", self.port, timeout=90)) as connection:
            self.events.append(event)
            connection.request("POST", INVOCATIONS, json.dumps(event))
            return json.load(connection.getresponse())

    def kill_function(self) -> None:
        """Kill the function itself, as when its memory is used up; the next call starts it."""
        for child in _children(self.pid):
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)

    @property
    def printed(self) -> list[dict[str, Any]]:
        """The JSON objects that the function wrote, one a line: logs and metrics."""
        lines = self.out.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]


def emulator_binary() -> Path:
    """Return the emulator, fetched the first time; skips the test where that is not possible."""
    machine = MACHINES.get(platform.machine().lower())
    if sys.platform != "linux" or machine is None:
        pytest.skip(f"AWS has no emulator for {sys.platform} on {platform.machine()}")
    binary = CACHE / "samcli" / "local" / "rapid" / f"aws-lambda-rie-{machine}"
    CACHE.parent.mkdir(exist_ok=True)
    with CACHE.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another process of the tests may fetch it too
        if not binary.exists():
            _fetch()
    return binary


def lambda_python() -> Path:
    """Return the Python that has what the image has; skips the test where there is none."""
    if not PYTHON.exists():
        pytest.skip(
            "expected .venv-lambda with Python 3.13, got none: tests/e2e/make_lambda_env.sh "
            "makes it where a Python 3.13 is installed"
        )
    return PYTHON


@contextmanager
def emulator(folder: Path, environ: Mapping[str, str], handler: str) -> Iterator[Emulator]:
    """Run `handler` with these variables until the block ends; output is kept in `folder`.

    As in the image, nothing but the temporary folder can be written to: there is no home.
    """
    binary, python = emulator_binary(), lambda_python()
    api, runtime = _free_port(), _free_port()
    # Without both addresses it would listen on every interface.
    command = [
        binary,
        *("--runtime-interface-emulator-address", f"127.0.0.1:{api}"),
        *("--runtime-api-address", f"127.0.0.1:{runtime}"),
        *(python, "-m", "awslambdaric", handler),
    ]
    temporary = folder / "tmp"
    temporary.mkdir()
    fixed = {
        "PATH": os.defpath,
        "HOME": os.devnull,
        "TMPDIR": str(temporary),
        "PYTHONDONTWRITEBYTECODE": "1",
        "LAMBDA_TASK_ROOT": str(ROOT),
        "AWS_LAMBDA_FUNCTION_TIMEOUT": "60",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
    }
    out, err = folder / "out.log", folder / "err.log"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**fixed, **environ},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
        )
        try:
            _await_listening(process, api, err)
            yield Emulator(api, out, err, process.pid)
        finally:
            started = _children(process.pid)
            process.kill()
            process.wait()
            for child in started:
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)


def _fetch() -> None:
    """Install the wheel into the cache: whole, or not at all."""
    unfinished = CACHE.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    uv = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps", "--require-hashes"]
    done = subprocess.run(
        [*uv, "--target", unfinished, "-r", "-"],
        input=SAM_CLI,
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        pytest.skip(f"expected to fetch AWS's emulator, got: {done.stderr.strip()}")
    shutil.rmtree(CACHE, ignore_errors=True)
    unfinished.rename(CACHE)


def _children(pid: int) -> list[int]:
    """Return the processes that each thread of `pid` started: the function's own."""
    threads = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for thread in threads for child in thread.read_text().split()]


def _free_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])


def _await_listening(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + 20
    while process.poll() is None and time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    pytest.fail(f"expected the emulator to listen, got: {log.read_text()}")
