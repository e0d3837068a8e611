"""The files of the project, wherever its tests run: in a clone, or in a tree without git."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Folders that are made here and belong to no one but this machine.
MADE = (".cache", ".git", "__pycache__", "demo", "node_modules", "out", "store")
MADE_LIKE = (".venv", ".mypy", ".ruff", ".hypothesis", ".import_linter", ".serverless")


def files() -> list[str]:
    """Return the paths, below the root, of all files that belong to the project."""
    command = ["git", "ls-files", "-z"]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    paths = done.stdout.split("\0") if done.returncode == 0 else walked()
    return sorted(path for path in paths if (ROOT / path).is_file())


def walked() -> list[str]:
    """Return them where there is no git to ask."""
    paths = []
    for folder, below, names in os.walk(ROOT):
        below[:] = [name for name in below if not is_made(name)]
        paths += [(Path(folder) / name).relative_to(ROOT).as_posix() for name in names]
    return paths


def is_made(folder: str) -> bool:
    return folder in MADE or folder.startswith(MADE_LIKE)
