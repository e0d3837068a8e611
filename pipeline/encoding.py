"""Encoding: digests, JSON whose equal values give equal bytes, and text that is safe to show."""

from __future__ import annotations

import hashlib
import re

import msgspec

_NOT_ASCII = re.compile(r"[^\n -~]")


def sha256(data: bytes) -> str:
    """Return the hex digest by which manifests name bytes."""
    return hashlib.sha256(data).hexdigest()


def to_json(value: object) -> bytes:
    """Return indented JSON ending in a newline; equal values give equal bytes."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


def escape_json(document: str) -> str:
    """Return JSON in printable ASCII, the same document: any console and any log can take it."""
    return _NOT_ASCII.sub(_escape_units, document)


def to_line(text: str) -> str:
    """Return text in which what no console should get is escaped, ends of lines too.

    Control characters move a terminal's cursor or colour it, marks of direction show text in
    another order than it has, and half a character cannot be encoded.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _escape_units(character: re.Match[str]) -> str:
    units = character[0].encode("utf-16-be").hex()
    return "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4))
