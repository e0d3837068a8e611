"""Object check: whether an object is what the document that names it says."""

from __future__ import annotations

from typing import NamedTuple

from pipeline.encoding import sha256
from pipeline.jobs.chain_check import Finding, Problem
from pipeline.ports import ObjectStore
from pipeline.record.grammar import kind_of
from pipeline.record.repairs import read_loss


class Named(NamedTuple):
    """An object that the document `by` names: its key and the sha256 of its bytes."""

    key: str
    sha256: str
    by: str


def check_object(store: ObjectStore, named: Named) -> Finding | None:
    """Return what is wrong with an object that is named, or with the name that it was given."""
    key, expected, by = named
    wanted = f"expected sha256 {expected}, as {by} says"
    if kind_of(key) is None:
        return Finding(Problem.MISSING, key, wanted)
    data = store.read(key)
    if data is not None and sha256(data) == expected:
        return None
    if (loss := read_loss(store, expected)) is not None and loss.key == key:
        return Finding(Problem.LOST, key, f"given up by a person on {loss.accepted_at}")
    if data is None:
        return Finding(Problem.MISSING, key, wanted)
    return Finding(Problem.CHANGED, key, f"{wanted}, got {sha256(data)}")
