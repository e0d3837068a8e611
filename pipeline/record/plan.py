"""Plan: what a backfill issues, fixed before it issues anything, so that it can be finished.

Whoever repeats an interrupted backfill adopts its plan, time of issue included, and writes equal
bytes; with other bars, tickers or another model it is refused, saying what differs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterable, Mapping
from contextlib import suppress
from datetime import date, datetime
from typing import Annotated

import msgspec
import numpy as np

from pipeline.bars import COLUMNS, RawBars
from pipeline.encoding import from_json, sha256, to_json
from pipeline.errors import StoreError
from pipeline.forecasting.bundle import ModelBundle
from pipeline.ports import ObjectStore, Tables
from pipeline.record.chain import Link
from pipeline.record.claims import read_claim
from pipeline.record.grammar import list_keys
from pipeline.record.keys import MOST_PARTS, PLANS, plan_key
from pipeline.record.manifest import Mode
from pipeline.record.objects import create_or_adopt, read_required, read_verified
from pipeline.record.part_vintage import CLOCKS_DIFFER
from pipeline.record.vintage import Vintage

# In the words of a refusal.
FIELDS = {
    "last": "a last session",
    "source": "the source",
    "tickers": "tickers",
    "model_version": "the model",
    "bundle": "the bundle of sha256",
    "broad": "the broad bundle of sha256",
    "bars": "bars of sha256",
}


class BackfillPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which sessions a backfill issues, from what, and when it says that it did.

    `bundle` is the sha256 of the bundle's manifest, `broad` that of the broad one's where there is
    one, `bars` that of the reading.
    """

    first: date
    last: date
    issued_at: Annotated[datetime, msgspec.Meta(tz=True)]
    source: str
    tickers: tuple[str, ...]
    model_version: str
    bundle: str
    bars: str
    broad: str | msgspec.UnsetType = msgspec.UNSET


def digest_bundle(bundle: ModelBundle) -> str:
    """Return the sha256 of a bundle's manifest, which names its ONNX file."""
    return sha256(to_json(bundle.manifest))


def digest_bars(bars: Mapping[str, RawBars]) -> str:
    """Return the sha256 of the bars of each symbol, whatever their order."""
    digest = hashlib.sha256()
    for symbol in sorted(bars):
        digest.update(f"{symbol} {len(bars[symbol])} ".encode())
        for column in _arrays(bars[symbol]):
            digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()


def _arrays(bars: RawBars) -> Iterable[np.ndarray]:
    yield bars.session.astype("datetime64[D]").astype(np.int64)
    yield from (getattr(bars, name).astype(np.float64) for name in COLUMNS)


def find_plan(
    store: ObjectStore, session: date, mode: Mode, issued_at: datetime
) -> BackfillPlan | None:
    """Return the plan by which a part was issued so, None where a backfill did not issue it.

    A dead backfill's plan by which nothing was issued is nobody's.
    """
    if mode is not Mode.BACKFILL:
        return None
    for plan in read_plans(store).values():
        if plan.first <= session <= plan.last and plan.issued_at == issued_at:
            return plan
    return None


def find_begun(
    store: ObjectStore, tables: Tables, head: Link | None, lost: Container[str] = ()
) -> BackfillPlan | None:
    """Return the plan by which the newest part is issued, claimed or published; None without.

    A claimed part whose vintage is lost does not say; the part before does.
    """
    claim = read_claim(store, head)
    if claim is not None and claim.table("bars") not in lost:
        data = read_verified(store, claim, claim.table("bars"))
        info = Vintage.decode(tables, data).info
        return find_plan(store, claim.session, info.mode, info.issued_at)
    run = head.manifest if head else None
    return find_plan(store, run.session, run.mode, run.issued_at) if run else None


def fix_plan(store: ObjectStore, plan: BackfillPlan, begun: BackfillPlan | None) -> BackfillPlan:
    """Return the plan that was `begun`, or store this one, or take up an equal one.

    Others that begin with the same session, by which nothing was issued, are left where they lie;
    so is one of the time to come.

    Raises
    ------
    StoreError
        When the plan that was begun is from other bars, tickers, another source or model.
    """
    if begun is not None:
        _require_same(store, begun, plan)
        return begun
    for number in range(MOST_PARTS):
        key = plan_key(plan.first, number)
        stored = _decode_plan(create_or_adopt(store, key, to_json(plan)), store.url(key))
        in_time = stored.issued_at <= plan.issued_at + CLOCKS_DIFFER
        if in_time and _find_difference(stored, plan) is None:
            return stored
    raise StoreError(
        f"{store.url(PLANS)}: expected fewer than {MOST_PARTS} plans that begin with {plan.first}, "
        "got as many of dead backfills; use another store"
    )


def read_plans(store: ObjectStore) -> dict[str, BackfillPlan]:
    """Return the plans in a store by their keys, but those that cannot be read."""
    plans = {}
    for key in list_keys(store, PLANS):
        with suppress(StoreError):
            plans[key] = _decode_plan(read_required(store, key), key)
    return plans


def _require_same(store: ObjectStore, begun: BackfillPlan, plan: BackfillPlan) -> None:
    if (name := _find_difference(begun, plan)) is not None:
        raise StoreError(
            f"{store.url(PLANS)}: expected {FIELDS[name]} {getattr(begun, name)} to go on with the "
            f"backfill from {begun.first} that began {begun.issued_at.isoformat()}, got "
            f"{getattr(plan, name)}; use another store"
        )


def _find_difference(stored: BackfillPlan, plan: BackfillPlan) -> str | None:
    """Return the field in which two plans of the same first session differ, None for none."""
    differing = (name for name in FIELDS if getattr(stored, name) != getattr(plan, name))
    return next(differing, None)


def _decode_plan(data: bytes, where_from: str) -> BackfillPlan:
    return from_json(data, BackfillPlan, where_from, "the plan of a backfill")
