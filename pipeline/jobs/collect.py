"""Collect: writers that keep what is made again and store nothing."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.ports import ObjectStore
from pipeline.record.grammar import Kind, kind_of, list_keys
from pipeline.record.keys import number_prefix
from pipeline.record.part import Write

IsPast = Callable[[ObjectStore, str, bytes], bool]


def collect(remade: dict[str, bytes]) -> Write:
    """Return a writer that keeps what is written."""

    def write(key: str, data: bytes) -> bytes:
        remade[key] = data
        return data

    return write


def collect_past(store: ObjectStore, remade: dict[str, bytes], is_past: IsPast) -> Write:
    """Return what collects, and finds other bytes in the store where the part went past them."""
    keep = collect(remade)

    def write(key: str, data: bytes) -> bytes:
        stored = store.read(key)
        if stored is None or stored == data or kind_of(key) is Kind.MANIFEST:
            return keep(key, data)
        return stored if is_past(store, key, data) else keep(key, data)

    return write


def lies_past(store: ObjectStore, key: str, data: bytes) -> bool:
    """Whether what should lie under a key lies under a later number."""
    others = list_keys(store, number_prefix(key), after=key)
    return any(store.read(other) == data for other in others)
