"""Replay: a session made again from its vintage, its bundle and the record before it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from pipeline.errors import StoreError
from pipeline.forecasting.bundle import ModelBundle, parse_bundle
from pipeline.forecasting.model import Model
from pipeline.ports import Calendar, ObjectStore, Tables
from pipeline.record.chain import Link, read_link, read_previous_link
from pipeline.record.forecasters import DirectForecaster
from pipeline.record.keys import RUNS, bundle_folder, session_prefix
from pipeline.record.manifest import RunManifest, read_required, read_verified
from pipeline.record.part import PartInputs
from pipeline.record.prior import read_prior_record
from pipeline.record.publish import publish
from pipeline.record.vintage import HISTORY_SESSIONS, Vintage


@dataclass(frozen=True, slots=True)
class Replayed:
    """One object of a session made again: whether it came out byte for byte as it is stored."""

    key: str
    equal: bool


def replay(store: ObjectStore, tables: Tables, calendar: Calendar, session: date) -> list[Replayed]:
    """Make every object of a session again and compare it with the store, in order of writing.

    Raises
    ------
    StoreError
        When nothing is published of the session, or what it was made from is missing or changed.
    """
    keys = store.keys(session_prefix(session))
    if not keys:
        raise StoreError(f"expected a manifest of {session} at {store.url(RUNS)}, found none")
    links = (read_link(store, key) for key in keys)
    return [replayed for link in links for replayed in replay_part(store, tables, calendar, link)]


def replay_part(
    store: ObjectStore, tables: Tables, calendar: Calendar, link: Link
) -> list[Replayed]:
    """Make every object of one part again; raises StoreError as `replay` does."""
    run, compared = link.manifest, list[Replayed]()

    def compare(key: str, data: bytes) -> bytes:
        stored = read_required(store, key)
        compared.append(Replayed(key, stored == data))
        return stored

    data = read_verified(store, run, run.table("bars"))
    inputs = PartInputs(
        number=run.part,
        expected=calendar.ending(run.session, HISTORY_SESSIONS),
        target_dates=tuple(calendar.following(run.session, run.horizons)),
        vintage=Vintage.decode(tables, data),
        vintage_parquet=data,
        prior=read_prior_record(store, tables, read_previous_link(store, link), run.session),
    )
    forecaster = DirectForecaster(Model(_read_bundle(store, run)))
    publish(inputs, forecaster, tables, compare)
    return compared


def _read_bundle(store: ObjectStore, run: RunManifest) -> ModelBundle:
    """Return the bundle that the record kept of a part's model."""
    folder = bundle_folder(run.model_version)
    kept = sorted(key for key in run.objects if key.startswith(folder))
    if len(kept) != 2:
        raise StoreError(f"{store.url(run.key)}: expected it to name a bundle's two files")
    manifest, onnx = (read_verified(store, run, key) for key in kept)
    return parse_bundle(manifest, onnx, store.url(folder))
