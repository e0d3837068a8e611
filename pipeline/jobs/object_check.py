"""Object check: whether an object is what the document that names it says."""

from __future__ import annotations

from pipeline.encoding import sha256
from pipeline.jobs.chain_check import Finding, Problem
from pipeline.ports import ObjectStore
from pipeline.record.grammar import kind_of
from pipeline.record.repairs import read_loss


def check_object(store: ObjectStore, named: tuple[str, str]) -> Finding | None:
    """Return what is wrong with the object of a key and the sha256 that is named."""
    key, expected = named
    if kind_of(key) is None:
        return Finding(Problem.MISSING, key, f"expected sha256 {expected}")
    data = store.read(key)
    if data is not None and sha256(data) == expected:
        return None
    if (loss := read_loss(store, expected)) is not None and loss.key == key:
        return Finding(Problem.LOST, key, f"given up by a person on {loss.accepted_at}")
    if data is None:
        return Finding(Problem.MISSING, key, f"expected sha256 {expected}")
    return Finding(Problem.CHANGED, key, f"expected sha256 {expected}, got {sha256(data)}")
