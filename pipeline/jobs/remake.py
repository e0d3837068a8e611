"""Remake: a part made from the store alone, for a replay or for a run that died."""

from __future__ import annotations

from functools import lru_cache, partial

from pipeline.errors import ConfigError, StoreError
from pipeline.forecasting.bundle import parse_bundle
from pipeline.forecasting.foreign_model import load_foreign
from pipeline.forecasting.model import Model
from pipeline.ports import Calendar, ObjectStore, Signer, Tables
from pipeline.record.chain import Link
from pipeline.record.claims import Claim, read_claim
from pipeline.record.forecasters import DirectForecaster
from pipeline.record.keys import bundle_folder
from pipeline.record.manifest import RunManifest
from pipeline.record.mended import read_mended
from pipeline.record.objects import create_or_adopt, read_verified
from pipeline.record.part import PartInputs, Write
from pipeline.record.prior import read_prior_record
from pipeline.record.publish import publish
from pipeline.record.repairs import Repairs
from pipeline.record.signatures import with_signatures
from pipeline.record.vintage import HISTORY_SESSIONS, Vintage


def finish_claimed(
    store: ObjectStore,
    tables: Tables,
    calendar: Calendar,
    head: Link | None,
    signer: Signer | None = None,
) -> Link | None:
    """Publish every part that is claimed behind `head` and not there yet; return the newest then.

    None where nothing is on the record. A run that is still at work writes equal bytes.

    Raises
    ------
    StoreError
        When what a claim names is missing or changed.
    """
    write = with_signatures(signer, partial(create_or_adopt, store))
    while (claim := read_claim(store, head)) is not None:
        head = remake_part(store, tables, calendar, claim, head, write)
    return head


def remake_part(
    store: ObjectStore,
    tables: Tables,
    calendar: Calendar,
    named: RunManifest | Claim,
    before: Link | None,
    write: Write,
) -> Link:
    """Make every object of a part from its vintage, its bundle and the record before it.

    Raises
    ------
    StoreError
        When one of them is missing or changed.
    """
    data = read_verified(store, named, named.table("bars"))
    try:
        expected = calendar.ending(named.session, HISTORY_SESSIONS)
        target_dates = tuple(calendar.following(named.session, named.horizons))
    except ConfigError as exc:
        raise StoreError(f"{store.url(named.key)}: it names another calendar's day: {exc}") from exc
    repairs = Repairs(named.healed, named.lost)
    prior = read_prior_record(store, tables, before, named.session, named.model_version, repairs)
    vintage = Vintage.decode(tables, data)
    inputs = PartInputs(
        number=named.part,
        expected=expected,
        target_dates=target_dates,
        vintage=vintage,
        vintage_parquet=data,
        prior=prior,
        mended=read_mended(store, tables, prior, vintage, named.session),
    )
    forecaster = DirectForecaster(_read_model(store, named))
    return publish(inputs, forecaster, tables, write, claimed=True).link


def _read_model(store: ObjectStore, named: RunManifest | Claim) -> Model:
    """Return the model whose bundle the record kept of a part."""
    folder = bundle_folder(named.model_version)
    kept = sorted(key for key in named.objects if key.startswith(folder))
    if len(kept) != 2:
        raise StoreError(f"{store.url(named.key)}: expected it to name a bundle's two files")
    manifest, onnx = (read_verified(store, named, key) for key in kept)
    return _load_model(manifest, onnx, store.url(folder))


# To load a model takes longer than all it forecasts of a part; most parts have the one before's.
@lru_cache(maxsize=1)
def _load_model(manifest: bytes, onnx: bytes, where_from: str) -> Model:
    return load_foreign(parse_bundle(manifest, onnx, where_from))
