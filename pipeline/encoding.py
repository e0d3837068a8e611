"""Encoding: digests and JSON whose equal values give equal bytes."""

from __future__ import annotations

import hashlib

import msgspec


def sha256(data: bytes) -> str:
    """Return the hex digest by which manifests name bytes."""
    return hashlib.sha256(data).hexdigest()


def to_json(value: object) -> bytes:
    """Return indented JSON ending in a newline; equal values give equal bytes."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"
