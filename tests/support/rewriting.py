"""A record rewritten by somebody who can write all of the store: every digest made to fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from pipeline.columns import Columns
from pipeline.encoding import sha256, to_json
from pipeline.errors import StoreError
from pipeline.ports import Signer
from pipeline.record.chain import find_head, walk_back
from pipeline.record.claims import claim_of
from pipeline.record.keys import STORE, claim_key, signature_key
from pipeline.record.manifest import RunManifest
from pipeline.record.state import State
from pipeline.record.terms import decode_terms
from pipeline.views.refresh import refresh_views
from tests.support.fakes import MemoryObjects
from tests.support.records import TABLES

Objects = Mapping[str, bytes]
Edits = Mapping[str, bytes | None]


def rewrite(
    objects: Objects, edits: Edits, run: RunManifest | None = None, signer: Signer | None = None
) -> dict[str, bytes]:
    """Return the store with other objects, None for none, and a manifest that says otherwise.

    Digests, claims, the chains of manifests and of states up to the newest, and the views fit.
    With a signer, who has another key than the store's, the store becomes that key's.
    """
    store = MemoryObjects({key: data for key, data in {**objects, **edits}.items() if data})
    before, state_before = None, None
    for link in reversed(
        list(walk_back(MemoryObjects(objects), find_head(MemoryObjects(objects))))
    ):
        was = link.manifest
        store.objects.pop(claim_key(was.previous), None)
        now = run if run is not None and run.key == was.key else was
        state_before = _chain_state(store, was.calibration, state_before)
        named = {key: data for key in was.objects if (data := store.objects.get(key))}
        digests = {key: sha256(data) for key, data in named.items()}
        now = msgspec.structs.replace(now, objects=digests, previous=before)
        claim = claim_of(now)
        store.objects |= {claim.key: claim.encode(), now.key: to_json(now)}
        before = sha256(store.objects[now.key])
        if signer is not None:
            store.objects[signature_key(before)] = signer.sign(store.objects[now.key])
    if signer is not None:
        terms = decode_terms(store.objects[STORE], STORE)
        terms = msgspec.structs.replace(terms, public_key=signer.public_key)
        store.objects[STORE] = terms.encode()
    with suppress(ValueError, StoreError):  # of what makes no sense there are no views
        refresh_views(store, TABLES)
    return store.objects


def _chain_state(store: MemoryObjects, key: str, before: str | None) -> str:
    state = State.decode(store.objects[key], key)
    store.objects[key] = msgspec.structs.replace(state, previous=before).encode()
    return sha256(store.objects[key])


@dataclass(frozen=True)
class Part:
    """A part of a record that is to be rewritten."""

    objects: Objects
    run: RunManifest

    def table(self, name: str) -> str:
        """Return the key of a table of the part, which has one of the name."""
        keys = [
            k for k in self.run.objects if k.startswith(f"{name}/") and str(self.run.session) in k
        ]
        return keys[0]

    def with_table(self, name: str, change: Callable[[dict[str, Any]], Columns]) -> Edits:
        key = self.table(name)
        columns, metadata = TABLES.decode(name, self.objects[key])
        changed = change({column: values.copy() for column, values in columns.items()})
        return {key: TABLES.encode(name, changed, metadata)}

    def with_metadata(self, name: str, **changed: Any) -> Edits:
        key = self.table(name)
        columns, metadata = TABLES.decode(name, self.objects[key])
        if "read" in metadata:
            read = {**msgspec.json.decode(metadata["read"]), **changed}
            changed = {"read": msgspec.json.encode(read).decode()}
        return {key: TABLES.encode(name, columns, {**metadata, **changed})}

    def with_state(self, **changed: Any) -> Edits:
        state = State.decode(self.objects[self.run.calibration], "state")
        return {self.run.calibration: msgspec.structs.replace(state, **changed).encode()}

    @property
    def state(self) -> State:
        return State.decode(self.objects[self.run.calibration], "state")


def scaled_intervals(factor: float) -> Callable[[dict[str, Any]], Columns]:
    """Return what moves every bound `factor` as far from the median."""

    def change(table: dict[str, Any]) -> Columns:
        median = table["prediction"]
        bounds = {n: v for n, v in table.items() if n.startswith(("lower_", "upper_"))}
        return {**table, **{n: median + factor * (v - median) for n, v in bounds.items()}}

    return change


def forged_scores(table: dict[str, Any]) -> Columns:
    """Return scores that every interval covers, with half the loss."""
    covered = {n: np.ones_like(v) for n, v in table.items() if n.startswith("covered_")}
    losses = ("crps", "interval_score_80", "interval_score_95")
    return {**table, **covered, **{name: table[name] / 2 for name in losses}}


def taken_rows(*rows: int) -> Callable[[dict[str, Any]], Columns]:
    """Return what takes rows in this order: -1 drops the last, which is not among them."""
    return lambda table: {name: values[list(rows)] for name, values in table.items()}
