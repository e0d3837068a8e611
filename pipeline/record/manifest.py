"""Manifest: what one part of a session published, and the codes its fields are written in.

A session is published in parts: `.00` by its first run, `.01` and on by later runs for tickers
withheld before. A part exists once its manifest does; nothing of a part is ever overwritten.
Manifests are a chain: each names the digests of its objects and of the manifest before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from enum import StrEnum
from typing import Protocol

import msgspec

from pipeline.encoding import Horizons, Moment, Number, from_json, sha256
from pipeline.errors import StoreError
from pipeline.ports import ObjectStore
from pipeline.record.grammar import kind_of, list_keys
from pipeline.record.keys import (
    calibration_key,
    manifest_key,
    session_prefix,
    table_key,
)
from pipeline.record.revisions import Revision

SCHEMA_VERSION = 1
OK = "ok"
_WITHHELD = "withheld:"


class Mode(StrEnum):
    """When a forecast was issued: `live` before its day; `as_of` and `backfill` afterwards."""

    LIVE = "live"
    AS_OF = "as_of"
    BACKFILL = "backfill"


def withheld(reason: str) -> str:
    """Return the status of a ticker that is withheld for `reason`."""
    return f"{_WITHHELD}{reason}"


def reason_of(status: str) -> str | None:
    """Return why a status withholds its ticker, None for `ok`."""
    return None if status == OK else status.removeprefix(_WITHHELD)


class RunManifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one part published: the commit point, written last.

    `tickers` maps ticker to status (`ok` or `withheld:<reason>`), `objects` key to sha256,
    `revisions` a ticker to what its source changed since the vintage before, by column.
    `previous` is the sha256 of the manifest before, which lies under `previous_key`; both None
    where the record begins.
    """

    schema_version: int
    session: date
    part: Number
    mode: Mode
    issued_at: Moment
    source: str
    model_version: str
    tickers: Mapping[str, str]
    horizons: Horizons
    objects: Mapping[str, str]
    revisions: Mapping[str, Mapping[str, Revision]]
    previous_key: str | None
    previous: str | None

    @property
    def published(self) -> set[str]:
        return {ticker for ticker, status in self.tickers.items() if status == OK}

    @property
    def withheld(self) -> dict[str, str]:
        return reasons_of(self.tickers)

    @property
    def key(self) -> str:
        return manifest_key(self.session, self.part)

    def table(self, name: str) -> str:
        """Return the key of this part's table of that name."""
        return table_key(name, self.session, self.part)

    @property
    def calibration(self) -> str:
        return calibration_key(self.session, self.part)


def reasons_of(statuses: Mapping[str, str]) -> dict[str, str]:
    """Return ticker -> reason of those whose status withholds them."""
    return {
        ticker: reason
        for ticker, status in statuses.items()
        if (reason := reason_of(status)) is not None
    }


def last_statuses(runs: Iterable[RunManifest]) -> dict[str, str]:
    """Return ticker -> status as the newest of the runs, in order, that names the ticker has it."""
    return {ticker: status for run in runs for ticker, status in run.tickers.items()}


def read_manifests(store: ObjectStore, session: date) -> list[RunManifest]:
    """Return the manifests of the session's parts in order; StoreError if one is not readable."""
    keys = list_keys(store, session_prefix(session))
    return [parse_manifest_at(key, read_required(store, key), store.url(key)) for key in keys]


def create_or_adopt(store: ObjectStore, key: str, data: bytes) -> bytes:
    """Write `data` where nothing is, and return what is there now: ours or the first writer's."""
    if store.create(key, data):
        return data
    return read_required(store, key)


def read_required(store: ObjectStore, key: str) -> bytes:
    """Return the bytes under `key`; raises StoreError if there are none."""
    data = store.read(key)
    if data is None:
        raise StoreError(f"expected an object at {store.url(key)}, found none")
    return data


class NamesObjects(Protocol):
    """A document under `key` that names objects by their sha256."""

    @property
    def key(self) -> str: ...

    @property
    def objects(self) -> Mapping[str, str]: ...


def read_verified(store: ObjectStore, run: NamesObjects, key: str) -> bytes:
    """Return the bytes of an object that the manifest names.

    Raises
    ------
    StoreError
        When the manifest does not name it, it is missing, or it is not the bytes named.
    """
    if key not in run.objects or kind_of(key) is None:
        raise StoreError(f"{store.url(run.key)}: expected it to name the object {key}, it does not")
    data, expected = read_required(store, key), run.objects[key]
    if sha256(data) != expected:
        raise StoreError(
            f"{store.url(key)}: expected sha256 {expected}, as the manifest says, "
            f"got {sha256(data)}: it was changed after it was published"
        )
    return data


def parse_manifest_at(key: str, data: bytes, where_from: str) -> RunManifest:
    """Return the manifest in `data`; raises StoreError if it is none, or belongs elsewhere."""
    run = parse_manifest(data, where_from)
    if run.key != key:
        raise StoreError(f"{where_from}: expected the manifest of {key}, got that of {run.key}")
    return run


def parse_manifest(data: bytes, where_from: str) -> RunManifest:
    """Return the manifest in `data`; raises StoreError if it is none."""
    return from_json(data, RunManifest, where_from, "a run manifest")
