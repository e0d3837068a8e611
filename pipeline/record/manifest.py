"""Manifest: what one part of a session published, and the codes its fields are written in.

A session is published in parts: `.00` by its first run, `.01` and on by later runs for tickers
withheld before. A part exists once its manifest does; nothing of a part is ever overwritten.
Manifests are a chain: each names the digests of its objects and of the manifest before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from enum import StrEnum
from functools import cached_property

import msgspec

from pipeline.encoding import Horizons, Moment, Number, from_json, sha256
from pipeline.errors import DamagedObject, StoreError
from pipeline.ports import ObjectStore
from pipeline.record.correction import Correction
from pipeline.record.grammar import list_keys
from pipeline.record.keys import calibration_key, manifest_key, session_prefix, table_key
from pipeline.record.notes import Note
from pipeline.record.objects import read_required
from pipeline.record.revisions import Revision

SCHEMA_VERSION = 3
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


class RunManifest(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, dict=True
):
    """What one part published: the commit point, written last.

    `tickers` maps ticker to status (`ok` or `withheld:<reason>`), `objects` key to sha256,
    `revisions` a ticker to what its source changed since the vintage before, by column.
    `previous` is the sha256 of the manifest before, which lies under `previous_key`; both None
    where the record begins. `healed` and `lost` map the keys of earlier objects to sha256: those
    that were damaged and remade, and those that the part had to do without. What the source says
    that a ticker's prices are in is in `currencies`. `others` maps the tickers that another model
    serves than that of `model_version` to its version.
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
    healed: Mapping[str, str] = {}
    lost: Mapping[str, str] = {}
    filled_bars: Mapping[str, tuple[date, ...]] = {}
    notes: tuple[Note, ...] = ()
    corrected: Mapping[str, tuple[Correction, ...]] = {}
    currencies: Mapping[str, str] = {}
    others: Mapping[str, str] = {}

    def version_of(self, ticker: str) -> str:
        """Return the version of the model that serves a ticker."""
        return self.others.get(ticker, self.model_version)

    @property
    def model_versions(self) -> tuple[str, ...]:
        """The version of the model on duty, and those of others that serve some tickers."""
        return tuple(dict.fromkeys([self.model_version, *self.others.values()]))

    @cached_property
    def published(self) -> frozenset[str]:
        return frozenset(ticker for ticker, status in self.tickers.items() if status == OK)

    @property
    def withheld(self) -> dict[str, str]:
        return reasons_of(self.tickers)

    @property
    def key(self) -> str:
        return manifest_key(self.session, self.part)

    @property
    def is_given_up(self) -> bool:
        """Whether it publishes nobody, for its own vintage or bundle was lost before."""
        return not self.lost.keys().isdisjoint(self.objects)

    @property
    def opens_session(self) -> bool:
        """Whether this is the first part of its session, whatever its number."""
        before = self.previous_key or ""
        return not before.startswith(session_prefix(self.session))

    def table(self, name: str) -> str:
        """Return the key of this part's table of that name: of those it names, or may name."""
        return self._named(name) or table_key(name, self.session, self.part)

    @property
    def calibration(self) -> str:
        return self._named("calibration") or calibration_key(self.session, self.part)

    def _named(self, folder: str) -> str | None:
        """Return the object in a folder, which may lie past what was damaged in its place."""
        return next((key for key in self.objects if key.startswith(f"{folder}/")), None)


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


def join_notes(runs: Iterable[RunManifest]) -> tuple[Note, ...]:
    """Return the notes of a session's parts, each once."""
    return tuple(dict.fromkeys(note for run in runs for note in run.notes))


def read_manifests(store: ObjectStore, session: date) -> list[RunManifest]:
    """Return the manifests of the session's parts in order; StoreError if one is not readable."""
    return [read_manifest(store, key)[0] for key in list_keys(store, session_prefix(session))]


def read_manifest(store: ObjectStore, key: str) -> tuple[RunManifest, str]:
    """Return the manifest under `key` and its sha256.

    Raises
    ------
    DamagedObject
        When it is missing or none.
    StoreError
        When it is of another schema.
    """
    data = read_required(store, key)
    check_version(data, store.url(key))
    try:
        return parse_manifest_at(key, data, store.url(key)), sha256(data)
    except StoreError as exc:
        raise DamagedObject(str(exc), key) from exc


def parse_manifest_at(key: str, data: bytes, where_from: str) -> RunManifest:
    """Return the manifest in `data`; raises StoreError if it is none, or belongs elsewhere."""
    run = parse_manifest(data, where_from)
    if run.key != key:
        raise StoreError(f"{where_from}: expected the manifest of {key}, got that of {run.key}")
    return run


class _Versioned(msgspec.Struct):
    schema_version: int


def check_version(data: bytes, where_from: str) -> None:
    """Raise StoreError if a document says that it is of another schema; others pass."""
    try:
        version = from_json(data, _Versioned, where_from, "a document").schema_version
    except StoreError:
        return
    if version != SCHEMA_VERSION:
        raise StoreError(
            f"{where_from}: expected schema version {SCHEMA_VERSION}, got {version}: another "
            "version of forecaster wrote this store; use that version, or another store"
        )


def parse_manifest(data: bytes, where_from: str) -> RunManifest:
    """Return the manifest in `data`; raises StoreError if it is none, or of another schema."""
    check_version(data, where_from)
    return from_json(data, RunManifest, where_from, "a run manifest")
