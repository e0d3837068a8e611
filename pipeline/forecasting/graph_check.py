"""Graph check: whether an ONNX file is a plain graph, which ends and reads nothing but itself.

A file that anybody may have written is read here before ONNX Runtime sees it. Loops and branches
are sub-graphs, and code of others comes with a domain; what our training writes has neither. The
reader knows just enough of the format (protobuf, onnx.proto) to see every node.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from pipeline.errors import BundleMismatch

LARGEST_ONNX = 16 * 2**20  # bytes; the shipped model has 0.1 million
MOST_NODES = 10_000  # the shipped model has 380
DOMAINS = (b"", b"ai.onnx", b"ai.onnx.ml")

Fields = Mapping[int, "str | Fields"]  # field -> what it must not be, or the fields inside

_TENSOR: Fields = {13: "external data", 14: "external data"}
_ATTRIBUTE: Fields = {
    5: _TENSOR,
    6: "a sub-graph",
    10: _TENSOR,
    11: "a sub-graph",
    22: "a sparse tensor",
    23: "a sparse tensor",
}
_NODE: Fields = {5: _ATTRIBUTE, 7: "a domain"}
_GRAPH: Fields = {1: _NODE, 5: _TENSOR, 15: "a sparse tensor"}
_MODEL: Fields = {7: _GRAPH, 20: "training", 25: "a function"}
_VARINT, _BYTES, _SIZES = 0, 2, {1: 8, 5: 4}


class _Field(NamedTuple):
    number: int
    value: memoryview | int


def check_graph(onnx: bytes, where_from: str) -> None:
    """Raise BundleMismatch unless the file is of a bounded size and its graph is plain."""
    if len(onnx) > LARGEST_ONNX:
        raise BundleMismatch(
            f"{where_from}: expected an ONNX file of at most {LARGEST_ONNX} bytes, got {len(onnx)}"
        )
    try:
        unfit = next(_find_unfit(memoryview(onnx), _MODEL), None)
        nodes = sum(1 for graph in _select(memoryview(onnx), 7) for _ in _select(graph, 1))
    except (IndexError, ValueError) as exc:
        raise BundleMismatch(f"{where_from}: expected an ONNX file, got another: {exc}") from exc
    if unfit is not None or nodes > MOST_NODES:
        raise BundleMismatch(
            f"{where_from}: expected a graph of at most {MOST_NODES} nodes of ONNX alone, without "
            f"sub-graphs or other files, got {unfit or nodes}"
        )


def _find_unfit(message: memoryview, fields: Fields) -> Iterator[str]:
    for number, value in _read_fields(message):
        inside = fields.get(number)
        if isinstance(inside, str):
            if not _is_harmless(inside, value):
                yield inside
        elif inside is not None:
            yield from _find_unfit(_as_message(value), inside)


def _is_harmless(what: str, value: memoryview | int) -> bool:
    """Whether a field only says what holds without it: data inside the file, a known domain."""
    return value == 0 if isinstance(value, int) else what == "a domain" and bytes(value) in DOMAINS


def _select(message: memoryview, number: int) -> Iterator[memoryview]:
    return (_as_message(field.value) for field in _read_fields(message) if field.number == number)


def _as_message(value: memoryview | int) -> memoryview:
    if isinstance(value, int):
        raise ValueError("expected a message, got a number")
    return value


def _read_fields(message: memoryview) -> Iterator[_Field]:
    """Yield the fields of a message; raises IndexError or ValueError where it is none."""
    at = 0
    while at < len(message):
        tag, at = _read_varint(message, at)
        kind = tag & 7
        if kind == _VARINT:
            value, at = _read_varint(message, at)
            yield _Field(tag >> 3, value)
            continue
        if kind == _BYTES:
            size, at = _read_varint(message, at)
        elif kind in _SIZES:
            size = _SIZES[kind]
        else:
            raise ValueError(f"a field of kind {kind}")
        if at + size > len(message):
            raise ValueError("a field that ends after the file")
        yield _Field(tag >> 3, message[at : at + size])
        at += size


def _read_varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 70:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
    raise ValueError("a number of more than ten bytes")
