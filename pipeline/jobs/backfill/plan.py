"""Plan: what a backfill issues, fixed before it issues anything, so that it can be finished.

Whoever repeats an interrupted backfill adopts its plan, time of issue included, and writes equal
bytes; with other bars, tickers or another model it is refused, saying what differs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import date

import msgspec
import numpy as np

from pipeline.bars import COLUMNS, RawBars
from pipeline.encoding import Moment, from_json, sha256, to_json
from pipeline.errors import StoreError
from pipeline.forecasting.bundle import ModelBundle
from pipeline.ports import ObjectStore
from pipeline.record.grammar import list_keys
from pipeline.record.keys import PLANS, plan_key
from pipeline.record.manifest import create_or_adopt

# In the words of a refusal.
FIELDS = {
    "last": "a last session",
    "source": "the source",
    "tickers": "tickers",
    "model_version": "the model",
    "bundle": "the bundle of sha256",
    "bars": "bars of sha256",
}


class BackfillPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which sessions a backfill issues, from what, and when it says that it did.

    `bundle` is the sha256 of the bundle's manifest, `bars` that of the reading.
    """

    first: date
    last: date
    issued_at: Moment
    source: str
    tickers: tuple[str, ...]
    model_version: str
    bundle: str
    bars: str


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


def read_open_plan(store: ObjectStore, session: date) -> BackfillPlan | None:
    """Return the plan that `session` belongs to, None without one."""
    begun = [key for key in list_keys(store, PLANS) if key <= plan_key(session)]
    plan = _read_plan(store, begun[-1]) if begun else None
    return plan if plan is not None and plan.last >= session else None


def fix_plan(store: ObjectStore, plan: BackfillPlan) -> BackfillPlan:
    """Store the plan, or adopt the one that is stored.

    Raises
    ------
    StoreError
        When the stored one is from other bars, tickers, another source or model.
    """
    key = plan_key(plan.first)
    stored = _decode_plan(create_or_adopt(store, key, to_json(plan)), store.url(key))
    for name, words in FIELDS.items():
        expected, received = getattr(stored, name), getattr(plan, name)
        if expected != received:
            raise StoreError(
                f"{store.url(key)}: expected {words} {expected} to go on with the backfill that "
                f"began {stored.issued_at.isoformat()}, got {received}; use another store"
            )
    return stored


def _read_plan(store: ObjectStore, key: str) -> BackfillPlan | None:
    data = store.read(key)
    return None if data is None else _decode_plan(data, store.url(key))


def _decode_plan(data: bytes, where_from: str) -> BackfillPlan:
    return from_json(data, BackfillPlan, where_from, "the plan of a backfill")
