"""The built package, alone: what `pip install .` leaves is all that the command needs."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import forecast_lines
from tests.support.tree import ROOT, files

BUILD = "import sys, hatchling.build as build; print(build.build_wheel(sys.argv[1]))"
COMMAND = """
import sys
from importlib.metadata import distribution
(script,) = distribution("financial-forecaster").entry_points.select(name="forecaster")
script.load()(sys.argv[1:])
"""
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel of this tree unpacked in it, as an installer does."""
    pytest.importorskip("hatchling", reason="expected hatchling, got none: pip install -e '.[dev]'")
    built, site = tmp_path_factory.mktemp("built"), tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-c", BUILD, built], cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(built / done.stdout.split()[-1]) as wheel:
        wheel.extractall(site)
    return site


@pytest.fixture(scope="module")
def metadata(installed: Path) -> Message:
    (file,) = installed.glob("*.dist-info/METADATA")
    return Parser().parsestr(file.read_text(encoding="utf-8"))


def run(installed: Path, folder: Path, code: str, *arguments: str) -> Any:
    """Run code in an empty folder, with the package before everything else on the path."""
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        env={"PATH": os.defpath, "PYTHONPATH": str(installed), "HOME": str(folder)},
        check=False,
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_the_command_runs_from_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    args = ("--bars", "simulated", "--as-of", "2025-06-30", "--store", "./store")
    done = run(installed, tmp_path, COMMAND, "run", *args)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(forecast_lines(done.stdout)) == 20
    assert sorted(path.name for path in tmp_path.iterdir() if path.name[0] != ".") == ["store"]


def test_the_bundle_is_the_package_s_own(installed: Path, tmp_path: Path) -> None:
    code = "import pipeline.wiring as wiring; print(wiring.DEFAULT_BUNDLE)"
    shipped = installed / "pipeline" / "models" / "default"
    assert run(installed, tmp_path, code).stdout.strip() == str(shipped)
    for file in ("manifest.json", "model.onnx"):
        assert (shipped / file).read_bytes() == (ROOT / "models" / "default" / file).read_bytes()


def test_every_file_of_the_packages_is_in_it_and_no_other_folder(installed: Path) -> None:
    packages = [path for path in files() if path.startswith(("handlers/", "pipeline/"))]
    bundle = [f"pipeline/{path}" for path in files() if path.startswith("models/")]
    assert [path for path in (*packages, *bundle) if not (installed / path).is_file()] == []
    tops = {path.name for path in installed.iterdir() if path.suffix != ".dist-info"}
    assert tops == {"handlers", "pipeline"}


def test_it_asks_for_what_the_command_imports(metadata: Message) -> None:
    asked = metadata.get_all("Requires-Dist", [])
    plain = [line for line in asked if "extra ==" not in line]
    assert sorted(plain) == sorted(line.replace("_", "-") for line in PROJECT["dependencies"])
    # For what the pins have no wheel, it is not offered.
    assert set(metadata["Requires-Python"].split(",")) == {">=3.11", "<3.15"}


def libraries(source: str) -> set[str]:
    """Return the top names of what a module imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    return {name.partition(".")[0] for name in names} - sys.stdlib_module_names - {"pipeline"}


# What comes with a library that is asked for, whose errors it lets through.
WITH = {"botocore", "bs4", "curl_cffi", "peewee", "urllib3"}


def test_what_the_command_imports_is_what_is_asked_for() -> None:
    """All but what `forecaster train` imports, which has an extra of its own."""
    lines = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["desk"]]
    asked = {re.split(r"[\[=]", line)[0] for line in lines}
    imported: set[str] = set()
    for path in files():
        if path.startswith("pipeline/") and not path.startswith("pipeline/training/"):
            imported |= libraries((ROOT / path).read_text("utf-8")) if path[-3:] == ".py" else set()
    assert imported - WITH == asked
