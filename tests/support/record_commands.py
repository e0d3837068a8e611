"""A span of the record for the tests of its commands, its files, and what is done to them."""

from __future__ import annotations

from pathlib import Path

from tests.support.commands import Answer

FIRST, LAST = "2025-06-16", "2025-06-30"
SESSIONS = 10  # of that span: 19 June is a holiday
COMMANDS = ("backfill", "verify", "replay", "status")
OTHER_BUNDLE = Path(__file__).parents[1] / "golden" / "bundle"
BACKFILL = ("backfill", "--bars", "simulated", "--from", FIRST, "--to", LAST)


def files(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def assert_refused(answer: Answer, code: int, *words: str) -> None:
    assert answer.code == code
    assert answer.err.startswith("error: ")
    assert answer.err.count("\n") == 1
    for word in words:
        assert word in answer.err
