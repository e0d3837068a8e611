"""`forecaster serve` as a process of its own, on a free port."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
# A job started in the background inherits that Ctrl-C is ignored.
MAIN = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from pipeline.cli.main import main; main()"
)
FORECASTER = [sys.executable, "-c", MAIN]
URL = re.compile(r"http://127\.0\.0\.1:(?P<port>\d+)")


@dataclass(frozen=True)
class Served:
    """A function that answers on a port."""

    port: int
    log: Path
    process: subprocess.Popen[str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] = {}
    ) -> tuple[HTTPResponse, bytes]:
        """Return the response and its body."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, dict(headers))
            response = connection.getresponse()
            return response, response.read()
        finally:
            connection.close()


@contextmanager
def served(folder: Path, *options: str, **environ: str) -> Iterator[Served]:
    """Run `forecaster serve` in `folder` until the block ends, then press Ctrl-C."""
    log = folder / "serve.log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            [*FORECASTER, "serve", "--port", "0", *options],
            cwd=folder,
            env={"PATH": os.defpath, "PYTHONPATH": str(ROOT), **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        try:
            line = process.stdout.readline() if process.stdout else ""
            found = URL.search(line)
            if found is None:
                process.wait(30)
                raise AssertionError(f"expected an address, got {line!r}: {log.read_text()}")
            yield Served(int(found["port"]), log, process)
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(30)
            finally:
                process.kill()
                if process.stdout:
                    process.stdout.close()
