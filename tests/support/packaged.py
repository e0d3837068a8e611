"""The template that `serverless package` makes, as something to make statements about."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SERVERLESS = ROOT / "node_modules" / ".bin" / "serverless"
HOME = ROOT / ".cache" / "serverless"  # where it may keep what it compiles, and finds no profile
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/forecaster@sha256:" + "a" * 64
DIGEST = "b" * 64
PSEUDO = {"AWS::AccountId": "123456789012", "AWS::Region": "us-east-1", "AWS::Partition": "aws"}
NOTHING = {"Ref": "AWS::NoValue"}  # for which CloudFormation leaves out what it stands for
PREBUILT = {"image": "prebuilt", "imageUri": IMAGE, "apiKeySha256": DIGEST}


def require_node() -> None:
    """Skip the test where node or the pinned packages are missing."""
    if shutil.which("node") is None or not SERVERLESS.exists():
        pytest.skip("expected node and its packages, got none: npm ci")


def serverless(
    *arguments: str,
    stage: str,
    params: Mapping[str, str],
    environ: Mapping[str, str],
    folder: Path = ROOT,
) -> subprocess.CompletedProcess[str]:
    """Run the pinned framework; skips the test where node or its packages are missing."""
    require_node()
    given = [f"--param={name}={value}" for name, value in params.items()]
    with alone_in(folder):
        return subprocess.run(
            [SERVERLESS, *arguments, "--stage", stage, *given],
            cwd=folder,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(HOME),
                "SLS_TELEMETRY_DISABLED": "1",
                "AWS_EC2_METADATA_DISABLED": "true",
                **environ,
            },
            check=False,
            capture_output=True,
            text=True,
        )


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Wait until no other test packages there: what the framework keeps has one place a folder."""
    with (folder / "serverless.yml").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def package(out: Path, stage: str = "dev", folder: Path = ROOT, **params: str) -> Path:
    """Return the template's file, made in `out` without credentials, docker or network."""
    given = {name: value for name, value in {**PREBUILT, **params}.items() if value}
    pack = _pack_once if folder == ROOT else _pack_once.__wrapped__
    out.mkdir(parents=True, exist_ok=True)
    for name, content in pack(stage, folder, tuple(given.items())).items():
        (out / name).write_bytes(content)
    return out / "cloudformation-template-update-stack.json"


@cache
def _pack_once(stage: str, folder: Path, params: tuple[tuple[str, str], ...]) -> dict[str, bytes]:
    """Return what the framework writes; many tests ask for the template of a bare deployment."""
    with TemporaryDirectory() as out:
        done = serverless(
            *("package", "--package", out),
            stage=stage,
            params=dict(params),
            environ={},
            folder=folder,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return {path.name: path.read_bytes() for path in Path(out).iterdir() if path.is_file()}


def template(file: Path) -> Any:
    """Return the template with references as text: `Store`, `DeadLetters.Arn`, names in full."""
    return _plain(json.loads(file.read_text()))


def properties(packaged: Any, name: str) -> dict[str, Any]:
    """Return the properties of a resource of a template."""
    found: dict[str, Any] = packaged["Resources"][name]["Properties"]
    return found


def _plain(node: Any) -> Any:
    match node:
        case {"Ref": str(name)}:
            plain: Any = PSEUDO.get(name, name)
        case {"Fn::GetAtt": [name, attribute]}:
            plain = f"{name}.{attribute}"
        case {"Fn::Sub": str(text)}:
            plain = re.sub(r"\$\{([\w:.]+)\}", lambda m: PSEUDO.get(m[1], m[1]), text)
        case {"Fn::Join": [separator, parts]}:
            plain = separator.join(map(_plain, parts))
        case dict():
            plain = {key: _plain(value) for key, value in node.items() if value != NOTHING}
        case list():
            plain = [_plain(value) for value in node if value != NOTHING]
        case _:
            plain = node
    return plain
