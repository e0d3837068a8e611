"""docs/record.md: what it shows is run as it stands there, on stores whole and tampered with."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.cli import main as cli
from pipeline.encoding import sha256
from tests.support.commands import ROOT

TEXT = (ROOT / "docs/record.md").read_text()
BLOCKS = re.findall(r"```(sh|python)\n(.*?)```", TEXT, re.S)
(CHECK,) = [text for language, text in BLOCKS if language == "python"]
SIGN, NOTE = (text for language, text in BLOCKS if language == "sh")
SESSION = "2025-06-12"
PUBLIC_KEY = re.compile("Public key  ([0-9a-f]{64})")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder in which the commands of the page were run, and the public key that was printed."""
    folder = tmp_path_factory.mktemp("desk")
    printed = run_commands(folder, SIGN) + run_commands(folder, NOTE)
    (public_key,) = PUBLIC_KEY.findall(printed)
    assert "The chain is whole up to runs/2025-06-13.00.json" in printed
    return folder, public_key


def run_commands(folder: Path, text: str) -> str:
    forecaster = f'{sys.executable} -c "from pipeline.cli.main import main; main()"'
    script = f'forecaster() {{ {forecaster} "$@"; }}\n{text}'
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["bash", "-euo", "pipefail"], input=script, cwd=folder, env=environ, check=False,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def check(folder: Path, public_key: str = "") -> subprocess.CompletedProcess[str]:
    """Run the check as it stands there, without anything of ours on the path."""
    environ = {"PATH": os.defpath} | ({"PUBLIC_KEY": public_key} if public_key else {})
    return subprocess.run(
        [sys.executable, "-P", "-c", CHECK], cwd=folder, env=environ, check=False,
        capture_output=True, text=True,
    )  # fmt: skip


def test_the_check_is_twenty_lines_and_imports_nothing_of_ours() -> None:
    lines = [line for line in CHECK.splitlines() if line.strip()]
    assert len(lines) <= 20
    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(CHECK))
        for name in (
            [alias.name for alias in node.names] if isinstance(node, ast.Import)
            else [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        )
    }  # fmt: skip
    assert imported == {"hashlib", "json", "os", "pathlib", "cryptography"}


def test_a_whole_record_passes_with_the_digest_that_verify_prints(desk: tuple[Path, str]) -> None:
    folder, public_key = desk
    for kept in ("", public_key):
        done = check(folder, kept)
        assert done.returncode == 0, done.stderr
        newest = folder / "store/runs/2025-06-13.00.json"
        assert done.stdout == f"whole up to runs/{newest.name} {sha256(newest.read_bytes())}\n"


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def replace_in(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


RUN = f"runs/{SESSION}.00.json"
TAMPERINGS: dict[str, tuple[Callable[[Path], None], str]] = {
    "a forecast": (
        lambda s: flip(s / f"forecasts/month=2025-06/{SESSION}.00.parquet"),
        f"{SESSION}.00.parquet is not what runs/{SESSION}.00.json says",
    ),
    "a bar": (lambda s: flip(s / f"bars/month=2025-06/{SESSION}.00.parquet"), "is not what"),
    "no state": (lambda s: (s / f"calibration/{SESSION}.00.json").unlink(), "FileNotFoundError"),
    "the older manifest": (
        lambda s: replace_in(s / RUN, '"revisions": {}', '"revisions":  {}'),
        "runs/2025-06-13.00.json follows another",
    ),
    "no older manifest": (lambda s: (s / RUN).unlink(), "runs/2025-06-13.00.json follows another"),
}
SIGNED: dict[str, tuple[Callable[[Path], None], str]] = {
    "the newest manifest": (
        lambda s: replace_in(s / "runs/2025-06-13.00.json", '"as_of"', '"live"'),
        "FileNotFoundError",
    ),
    "a signature": (lambda s: [flip(p) for p in (s / "signatures").iterdir()] and None, "Invalid"),
    "no signatures": (lambda s: shutil.rmtree(s / "signatures"), "FileNotFoundError"),
}


@pytest.mark.parametrize("what", [*TAMPERINGS, *SIGNED])
def test_a_record_that_was_tampered_with_fails(
    desk: tuple[Path, str], tmp_path: Path, what: str
) -> None:
    folder, public_key = desk
    shutil.copytree(folder / "store", tmp_path / "store")
    change, words = {**TAMPERINGS, **SIGNED}[what]
    change(tmp_path / "store")
    assert check(tmp_path, public_key).returncode == 1
    # What the digests tell needs no key.
    done = check(tmp_path, public_key if what in SIGNED else "")
    assert done.returncode == 1
    assert words in done.stderr


def test_another_key_than_the_one_kept_fails(desk: tuple[Path, str]) -> None:
    folder, public_key = desk
    other = public_key[:-2] + ("00" if public_key[-2:] != "00" else "01")
    assert check(folder, other).returncode == 1


def test_every_command_and_option_named_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    named = {
        tuple(words.split()) for words in re.findall(r"`forecaster ((?:[a-z-]+ ?)+)[^`]*`", TEXT)
    }
    for words in sorted(named):
        with pytest.raises(SystemExit) as exited:
            cli.main([*words[: 2 if words[0] == "key" else 1], "--help"])
        assert exited.value.code == 0
    options = capsys.readouterr().out
    for option in ("--noted", "--public-key", "--deep", "--seed", "--stage", "--key", "--json"):
        assert option in options
