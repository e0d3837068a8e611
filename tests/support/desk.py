"""The daily function run as a program, in an environment of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run_at_a_desk(*arguments: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the function as a program on the simulated market, in this environment alone."""
    return desk("daily", *map(str, arguments), **environ)


def desk(*arguments: str, cwd: Path = ROOT, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m handlers.local.invoke` in this environment alone."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "handlers.local.invoke", *arguments],
        cwd=cwd,
        env={"FORECASTER_BARS": "simulated", "PYTHONPATH": str(ROOT), **environ},
        check=False,
        capture_output=True,
        text=True,
    )
