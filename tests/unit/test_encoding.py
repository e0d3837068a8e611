"""Stored JSON is decoded in one place, within bounds, and every refusal is of one kind."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pipeline import encoding
from pipeline.encoding import Horizons, Moment, Number, from_json
from pipeline.errors import BundleMismatch, StoreError

PIPELINE = Path(encoding.__file__).parent


class Document(msgspec.Struct, forbid_unknown_fields=True):
    session: date
    issued_at: Moment
    part: Number = 0
    horizons: Horizons = 5
    figures: Mapping[str, float] = {}


GOOD = b'{"session": "2026-11-20", "issued_at": "2026-11-20T22:00:00Z"}'


def with_field(name: str, value: bytes) -> bytes:
    return GOOD[:-1] + b', "' + name.encode() + b'": ' + value + b"}"


def test_a_document_comes_back() -> None:
    assert from_json(GOOD, Document, "runs/x", "a document").session == date(2026, 11, 20)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"null",
        b"\xff\xfe",
        b"[" * 1_000_000,
        b'{"session":' * 200_000,
        with_field("other", b"[" * 200_000),
        with_field("figures", b'{"x": 1e999}'),
        with_field("figures", b'{"x": NaN}'),
        with_field("figures", b'{"x": ' + b"9" * 400 + b"}"),
        with_field("part", b"9" * 40),
        with_field("part", b"9" * 5000),
        with_field("part", b"100"),
        with_field("part", b"-1"),
        with_field("horizons", b"300000000"),
        with_field("horizons", b"3e8"),
        with_field("horizons", b"0"),
        GOOD.replace(b'2026-11-20"', b'2026-02-30"'),
        GOOD.replace(b'2026-11-20"', b'0000-01-01"'),
        GOOD.replace(b'2026-11-20"', b'99999-01-01"'),
        GOOD.replace(b"00Z", b"00"),
        with_field("figures", b'{"\xff": 1}'),
        with_field("x" * 10**6, b"1"),
    ],
    ids=lambda data: ascii(data[:40]) + str(len(data)),
)
@pytest.mark.parametrize("error", [StoreError, BundleMismatch])
def test_a_bomb_is_one_short_error(data: bytes, error: Any) -> None:
    with pytest.raises(error, match="^runs/x: expected a document, got") as raised:
        from_json(data, Document, "runs/x", "a document", error)
    assert len(str(raised.value)) < 400


def test_a_document_that_is_too_large_is_not_decoded() -> None:
    with pytest.raises(StoreError, match="a document of at most 9 bytes, got 10"):
        from_json(b" " * 10, Document, "runs/x", "a document", largest=9)


# What callers send is no stored document: requests have errors and bounds of their own.
DECODERS = {
    "encoding.py",
    "serving/decode_errors.py",
    "serving/questions.py",
    "serving/requests.py",
}


def test_nothing_stored_is_decoded_elsewhere() -> None:
    users = {
        str(path.relative_to(PIPELINE))
        for path in PIPELINE.rglob("*.py")
        if "training" not in path.parts
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and ast.unparse(node).startswith("msgspec.json.decode")
    }
    assert users == DECODERS - {"serving/questions.py", "serving/requests.py"}
