"""Encoding: digests, JSON whose equal values give equal bytes, stored JSON, text that is safe."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime
from typing import Annotated, TypeVar

import msgspec

from pipeline.errors import ForecasterError, StoreError

# Bytes of one document. 5,000 tickers make a track record of 17 MB a mode.
LARGEST_JSON = 64 * 2**20
SHOWN = 300  # characters of what a decoder says, which may quote the document

# What a stored document can mean; all else is no record's, and would cost memory or an exception.
Number = Annotated[int, msgspec.Meta(ge=0, le=99)]  # of a part, two digits in its key
Horizons = Annotated[int, msgspec.Meta(ge=1, le=64)]

Moment = Annotated[datetime, msgspec.Meta(tz=True)]

T = TypeVar("T")

_NOT_ASCII = re.compile(r"[^\n -~]")


def sha256(data: bytes) -> str:
    """Return the hex digest by which manifests name bytes."""
    return hashlib.sha256(data).hexdigest()


def to_json(value: object) -> bytes:
    """Return indented JSON ending in a newline; equal values give equal bytes."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


def from_json(
    data: bytes,
    kind: type[T],
    where_from: str,
    expected: str,
    error: type[ForecasterError] = StoreError,
    largest: int = LARGEST_JSON,
) -> T:
    """Return the value of type `kind` in a stored document: the one place that decodes any.

    Raises
    ------
    ForecasterError
        `error`, which says what was expected and what came: more than `largest` bytes, no
        UTF-8, no JSON, nested too deep, or of another type.
    """
    if len(data) > largest:
        raise error(
            f"{where_from}: expected {expected} of at most {largest} bytes, got {len(data)}"
        )
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise error(f"{where_from}: expected {expected}, got {str(exc):.{SHOWN}}") from exc


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
