"""What tests of the command line share: an answer, and how a refusal looks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pipeline.cli import main as cli

ROOT = Path(cli.__file__).parents[2]
TICKERS = ("SPY", "QQQ", "DIA", "IWM")
SESSION, BEFORE = "2025-06-30", "2025-06-27"
ALL_TIME = (date(1990, 1, 1), date(2049, 12, 31))


class Answer(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


Forecaster = Callable[..., Answer]
Clock = Callable[[datetime], None]
# Imports the daily function anew, in an environment of these variables alone.
ColdStart = Callable[..., Any]


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path): sha256(path.read_bytes()).hexdigest() for path in files}


def break_line(path: Path, line: int, text: str) -> None:
    lines = path.read_text().splitlines()
    lines[line - 1] = text
    path.write_text("\n".join(lines) + "\n")


def forecast_lines(out: str) -> list[str]:
    return [line for line in out.splitlines() if line.strip().startswith(TICKERS)]


def assert_refused(answer: Answer, code: int, *words: str) -> None:
    assert answer.code == code
    assert answer.out == ""
    assert answer.err.startswith("error: ")
    assert answer.err.count("\n") == 1
    for word in words:
        assert word in answer.err


def spawn(*args: str, columns: int = 100) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from pipeline.cli.main import main; main()", *args]
    env = os.environ | {"COLUMNS": str(columns), "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, capture_output=True, text=True, env=env, timeout=120, check=False
    )


def fill_store(folder: Path, *command: str) -> Path:
    """Run a command that fills a store in the folder, and return the store."""
    store = folder / "store"
    with pytest.raises(SystemExit) as exited:
        cli.main([*command, "--store", str(store)])
    assert exited.value.code == 0
    return store
