"""What a rollback would do, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pipeline.adapters.aws.rollback import KEYS, Move, Version

STAYS = (
    "Permissions, schedules, alarms, tables and the record stay as they are; the next deployment "
    "goes forward again."
)
DIGITS = 12  # of a digest, enough to know it by


def describe_plan(moves: Sequence[Move]) -> list[str]:
    """Return the plan in lines: what each function goes to, and what that brings back."""
    moving = [move for move in moves if not move.is_none]
    return [line for move in moving for line in _describe(move)] + [STAYS]


def to_document(moves: Sequence[Move]) -> dict[str, Any]:
    """Return what was moved, by function."""
    return {
        move.function: {
            "from": _to_document(move.live),
            "to": _to_document(move.before),
            "revived_keys": move.find_revived_keys(),
        }
        for move in moves
        if not move.is_none
    }


def _to_document(version: Version) -> dict[str, Any]:
    settings = {name: value for name, value in version.settings.items() if name != KEYS}
    image, model = version.image or None, version.model or None
    return {"version": version.number, "image": image, "model": model, "settings": settings}


def _describe(move: Move) -> Iterator[str]:
    live, before = move.live, move.before
    yield f"{move.function}: version {live.number} -> {before.number}"
    if live.image != before.image:
        yield f"  image {_shorten(live.image)} -> {_shorten(before.image)}"
    if live.model != before.model:
        yield f"  model {live.model or 'unknown'} -> {before.model or 'unknown'}"
    elif before.model:
        yield f"  model {before.model}, as now"
    for name in sorted({*live.settings, *before.settings} - {KEYS}):
        values = [version.settings.get(name, "nothing") for version in (live, before)]
        if values[0] != values[1]:
            yield f"  {name} {values[0]} -> {values[1]}"
    for digest in move.find_revived_keys():
        yield (
            f"  WARNING: the key with SHA-256 {digest[:DIGITS]}... opens again, which is revoked "
            "now. Afterwards: make key, make deploy"
        )


def _shorten(image: str) -> str:
    return image.rpartition("@")[2][: len("sha256:") + DIGITS] or "unknown"
