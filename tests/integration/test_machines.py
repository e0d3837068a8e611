"""Where no wheel exists, `make` says so in a line before it installs anything."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.tree import ROOT

# A Python that says it is another one; it makes environments that are a file.
STAND_IN = """#!{python}
import os, platform, sys
if sys.argv[1:3] == ["-m", "venv"]:
    os.makedirs(sys.argv[3] + "/bin")
    open(sys.argv[3] + "/bin/python", "w").close()
    sys.exit()
sys.version_info, sys.maxsize, sys.platform = {version}, {maxsize}, {system!r}
sys.version = ".".join(map(str, sys.version_info))
platform.machine = lambda: {machine!r}
platform.libc_ver = lambda: ({libc!r}, "")
exec(sys.argv[2])
"""
HERE: dict[str, Any] = {
    "version": (3, 13, 1),
    "maxsize": 2**63 - 1,
    "system": "linux",
    "machine": "x86_64",
    "libc": "glibc",
}


def make_environment(folder: Path, **others: Any) -> subprocess.CompletedProcess[str]:
    stand_in = folder / "python3"
    stand_in.write_text(STAND_IN.format(python=sys.executable, **{**HERE, **others}))
    stand_in.chmod(0o755)
    venv = folder / "venv"
    return subprocess.run(
        [
            "make",
            "--no-print-directory",
            f"{venv}/bin/python",
            f"VENV={venv}",
            f"PYTHON={stand_in}",
        ],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        check=False,
        capture_output=True,
        text=True,
    )


MAC, WINDOWS = {"system": "darwin", "libc": ""}, {"system": "win32", "libc": ""}


@pytest.mark.parametrize(
    "machine",
    [
        {},
        {"machine": "aarch64"},
        {"version": (3, 11, 0)},
        {"version": (3, 14, 2)},
        {**MAC, "machine": "arm64"},
        {**WINDOWS, "machine": "AMD64"},
    ],
    ids=str,
)
def test_where_there_are_wheels_an_environment_is_made(
    machine: dict[str, Any], tmp_path: Path
) -> None:
    done = make_environment(tmp_path, **machine)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "venv/bin/python").exists()


@pytest.mark.parametrize(
    ("machine", "got"),
    [
        ({**MAC, "machine": "x86_64"}, "got darwin on x86_64"),
        ({"libc": ""}, ", without glibc"),
        ({"libc": "musl"}, ", without glibc"),
        ({"machine": "armv7l"}, "got linux on armv7l"),
        ({"machine": "ppc64le"}, "got linux on ppc64le"),
        ({**WINDOWS, "machine": "x86", "maxsize": 2**31 - 1}, "got win32 on x86"),
        ({"version": (3, 10, 9)}, "expected Python 3.11 to 3.14, got 3.10.9"),
        ({"version": (3, 15, 0)}, "expected Python 3.11 to 3.14, got 3.15.0"),
    ],
    ids=str,
)
def test_where_there_is_none_a_line_says_so_and_nothing_is_made(
    machine: dict[str, Any], got: str, tmp_path: Path
) -> None:
    done = make_environment(tmp_path, **machine)
    assert done.returncode == 2
    line, of_make = done.stderr.splitlines()
    assert line.startswith("expected ")
    assert got in line
    assert of_make.startswith("make: ***")
    assert not (tmp_path / "venv").exists()
