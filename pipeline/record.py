"""The record: where each object of a session lies in the store, and the run's manifest.

A session is published in parts: `.00` by its first run, `.01` and on by later runs for tickers
withheld before. A part exists once its manifest does; nothing of a part is ever overwritten.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import date, datetime

import msgspec

from pipeline.errors import StoreError
from pipeline.ports import Columns, ObjectStore, Tables

SCHEMA_VERSION = 1
LATEST = "latest.json"


class RunManifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one part published: the commit point, written last.

    `tickers` maps ticker to status (`ok` or `withheld:<reason>`), `objects` key to sha256.
    """

    schema_version: int
    session: date
    part: int
    mode: str
    issued_at: datetime
    source: str
    model_version: str
    tickers: Mapping[str, str]
    objects: Mapping[str, str]

    @property
    def published(self) -> set[str]:
        return {ticker for ticker, status in self.tickers.items() if status == "ok"}

    @property
    def forecasts(self) -> str:
        return table_key("forecasts", self.session, self.part)


def table_key(table: str, session: date, part: int) -> str:
    """Return the key of a Parquet table: `forecasts/month=2026-11/2026-11-20.00.parquet`."""
    return f"{table}/month={session:%Y-%m}/{session}.{part:02d}.parquet"


def manifest_key(session: date, part: int) -> str:
    """Return the key of a part's manifest: `runs/2026-11-20.00.json`."""
    return f"runs/{session}.{part:02d}.json"


def sha256(data: bytes) -> str:
    """Return the hex digest by which manifests name bytes."""
    return hashlib.sha256(data).hexdigest()


def to_json(value: object) -> bytes:
    """Return indented JSON ending in a newline; equal values give equal bytes."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


def committed(store: ObjectStore, session: date) -> list[RunManifest]:
    """Return the manifests of the session's parts in order; StoreError if one is not readable."""
    return [_manifest(store, key) for key in store.keys(f"runs/{session}.")]


def create_or_adopt(store: ObjectStore, key: str, data: bytes) -> bytes:
    """Write `data` where nothing is, and return what is there now: ours or the first writer's."""
    if store.create(key, data):
        return data
    return required(store, key)


def required(store: ObjectStore, key: str) -> bytes:
    """Return the bytes under `key`; raises StoreError if there are none."""
    data = store.read(key)
    if data is None:
        raise StoreError(f"expected an object at {store.url(key)}, found none")
    return data


def read_forecasts(store: ObjectStore, tables: Tables, run: RunManifest) -> Columns:
    """Return the forecasts a part published.

    Raises
    ------
    StoreError
        When they are missing, or not the bytes that the manifest names.
    """
    data, expected = required(store, run.forecasts), run.objects[run.forecasts]
    if sha256(data) != expected:
        raise StoreError(
            f"{store.url(run.forecasts)}: expected sha256 {expected}, as the manifest says, "
            f"got {sha256(data)}: it was changed after it was published"
        )
    return tables.decode("forecasts", data)[0]


def _manifest(store: ObjectStore, key: str) -> RunManifest:
    try:
        return msgspec.json.decode(required(store, key), type=RunManifest)
    except msgspec.DecodeError as exc:
        raise StoreError(f"{store.url(key)}: expected a run manifest, got {exc}") from exc
