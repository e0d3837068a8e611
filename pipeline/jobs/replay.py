"""Replay: a session made again from its vintage, its bundle and the record before it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from pipeline.errors import StoreError
from pipeline.forecasting.bundle import parse_bundle
from pipeline.forecasting.model import Model
from pipeline.ports import Calendar, ObjectStore, Tables
from pipeline.record.chain import Link, link_before, read_before, read_link
from pipeline.record.forecasters import FreshForecaster
from pipeline.record.manifest import RunManifest, read_verified, required
from pipeline.record.publish import Part, publish
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
    keys = store.keys(f"runs/{session}.")
    if not keys:
        raise StoreError(f"expected a manifest of {session} at {store.url('runs/')}, found none")
    return [
        one for key in keys for one in replay_part(store, tables, calendar, read_link(store, key))
    ]


def replay_part(
    store: ObjectStore, tables: Tables, calendar: Calendar, link: Link
) -> list[Replayed]:
    """Make every object of one part again; raises StoreError as `replay` does."""
    run, compared = link.manifest, list[Replayed]()

    def compare(key: str, data: bytes) -> bytes:
        stored = required(store, key)
        compared.append(Replayed(key, stored == data))
        return stored

    data = read_verified(store, run, run.table("bars"))
    part = Part(
        number=run.part,
        expected=calendar.ending(run.session, HISTORY_SESSIONS),
        following=tuple(calendar.following(run.session, run.horizons)),
        vintage=Vintage.decode(tables, data),
        data=data,
        before=read_before(store, tables, link_before(store, link), run.session),
    )
    publish(part, FreshForecaster(_model(store, run)), tables, compare)
    return compared


def _model(store: ObjectStore, run: RunManifest) -> Model:
    """Return the model whose bundle the record kept of a part."""
    folder = f"bundles/{run.model_version}/"
    kept = sorted(key for key in run.objects if key.startswith(folder))
    if len(kept) != 2:
        raise StoreError(f"{store.url(run.key)}: expected it to name a bundle's two files")
    manifest, onnx = (read_verified(store, run, key) for key in kept)
    return _loaded(manifest, onnx, store.url(folder))


# To load a model takes longer than all it forecasts of a part; most parts have the one before's.
@lru_cache(maxsize=1)
def _loaded(manifest: bytes, onnx: bytes, where_from: str) -> Model:
    return Model(parse_bundle(manifest, onnx, where_from))
