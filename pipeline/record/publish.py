"""Part: every object of a part of the record, a pure function of vintage, bundle and the record.

The daily run writes them, a backfill makes thousands, and a replay compares them with what lies
in the store: all by the same function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from pipeline.bars import VIX, Bars
from pipeline.columns import Columns
from pipeline.encoding import sha256, to_json
from pipeline.errors import Reason, StoreError
from pipeline.forecasting.bundle import ModelBundle
from pipeline.ports import Tables
from pipeline.record.baseline_table import build_baseline_table
from pipeline.record.chain import Link, PriorRecord
from pipeline.record.forecasters import Forecaster
from pipeline.record.keys import bundle_keys, calibration_key, scores_key, table_key
from pipeline.record.manifest import SCHEMA_VERSION, RunManifest
from pipeline.record.next_state import apply_scores, start_part
from pipeline.record.revisions import find_revisions
from pipeline.record.scoring import score_realised, split_by_month
from pipeline.record.state import State
from pipeline.record.tables import Stamp, build_forecast_columns
from pipeline.record.vintage import Vintage

# Writes an object, or finds it written, and returns what lies under the key now.
Write = Callable[[str, bytes], bytes]


@dataclass(frozen=True, slots=True, eq=False)
class PartInputs:
    """What a part is a function of, beside the forecaster.

    Attributes
    ----------
    number : 0 for the first part of its session
    expected : the exchange's sessions up to the origin
    following : target dates, one per horizon
    vintage, data : the vintage and its Parquet bytes
    """

    number: int
    expected: Sequence[date]
    following: tuple[date, ...]
    vintage: Vintage
    data: bytes
    before: PriorRecord

    @property
    def session(self) -> date:
        return self.expected[-1]

    def key(self, table: str) -> str:
        """Return the key of this part's table of that name."""
        return table_key(table, self.session, self.number)


@dataclass(frozen=True, slots=True, eq=False)
class PublishedPart:
    """A part as it was published: what the next one needs of it."""

    link: Link
    state: State
    forecasts: Columns
    baselines: Columns


def publish(
    part: PartInputs, forecaster: Forecaster, tables: Tables, write: Write
) -> PublishedPart:
    """Write every object of a part in order, the manifest last.

    Raises
    ------
    StoreError
        When an object is there already that belongs to another vintage.
    """
    vintage = part.vintage
    good, withheld = vintage.usable(part.expected, part.before.bars)
    objects = {part.key("bars"): sha256(part.data)}

    def put(key: str, data: bytes) -> bytes:
        stored = write(key, data)
        objects[key] = sha256(stored)
        return stored

    objects |= _write_bundle(forecaster.bundle, part.before.manifest, put)
    state = _score(part, good, forecaster.bundle, tables, put)
    stamp = Stamp(
        origin_date=part.session,
        target_dates=part.following,
        model_version=forecaster.bundle.version,
        vintage_sha256=objects[part.key("bars")],
        issued_at=vintage.info.issued_at,
    )
    made = forecaster.forecast(good, vintage.bars.get(VIX)).calibrate(state.calibration)
    broken = dict.fromkeys(np.array(made.tickers, object)[~made.finite], Reason.NON_FINITE_OUTPUT)
    rows = build_forecast_columns(made.where(made.finite), withheld | broken, stamp)
    forecasts = _write_table(put, tables, part, "forecasts", rows)
    rows_of_baselines = build_baseline_table(vintage, made, withheld, forecaster, stamp)
    baselines = _write_table(put, tables, part, "baselines", rows_of_baselines)
    manifest = _build_manifest(part, vintage, forecasts, objects)
    link = Link(manifest, sha256(write(manifest.key, to_json(manifest))))
    return PublishedPart(link, state, forecasts, baselines)


def _write_table(put: Write, tables: Tables, part: PartInputs, name: str, made: Columns) -> Columns:
    """Write a table of the part, and return it, or what an earlier run wrote in its place."""
    data = tables.encode(name, made, {})
    stored = put(part.key(name), data)
    columns = made if stored == data else tables.decode(name, stored)[0]
    if set(columns["vintage_sha256"]) != set(made["vintage_sha256"]):
        raise StoreError(
            f"{part.key(name)}: expected rows of vintage {made['vintage_sha256'][0]}, got of "
            f"{columns['vintage_sha256'][0]}"
        )
    return columns


def _write_bundle(bundle: ModelBundle, head: RunManifest | None, put: Write) -> dict[str, str]:
    """Write the bundle unless the part before kept it, and return its objects' digests."""
    manifest = to_json(bundle.manifest)
    keys = bundle_keys(bundle.version, sha256(manifest))
    kept = dict(zip(keys, (sha256(manifest), bundle.manifest.onnx_sha256), strict=True))
    if head is None or not kept.items() <= head.objects.items():
        put(keys[0], manifest)
        put(keys[1], bundle.onnx)
    return kept


def _score(
    part: PartInputs, good: Sequence[Bars], bundle: ModelBundle, tables: Tables, put: Write
) -> State:
    """Write the scores of what the vintage realises and the state after them; return the state."""
    before, scored = part.before, None
    if before.issued is not None:
        columns = {name: column for name, column in before.issued.items() if name != "mode"}
        scored = score_realised(columns, before.issued["mode"], good)
    if scored is not None:
        for month, rows in split_by_month(scored.scores).items():
            key = scores_key(month, part.session, part.number)
            put(key, tables.encode("scores", rows, {}))
    named = start_part(
        before.state, before.state_digest, bundle.manifest, part.session, part.number
    )
    state = apply_scores(named, before.manifest, bundle.manifest, scored)
    key, data = calibration_key(part.session, part.number), state.encode()
    stored = put(key, data)
    return state if stored == data else State.decode(stored, key)


def _build_manifest(
    part: PartInputs,
    vintage: Vintage,
    forecasts: Columns,
    objects: Mapping[str, str],
) -> RunManifest:
    before = part.before.link
    changed = {
        ticker: find_revisions(vintage.bars[ticker], part.before.bars[ticker])
        for ticker in vintage.bars
        if ticker in part.before.bars
    }
    return RunManifest(
        schema_version=SCHEMA_VERSION,
        session=part.session,
        part=part.number,
        mode=vintage.info.mode,
        issued_at=vintage.info.issued_at,
        source=vintage.info.source,
        model_version=forecasts["model_version"][0],
        tickers=dict(zip(forecasts["ticker"], forecasts["status"], strict=True)),
        horizons=len(part.following),
        objects=objects,
        revisions={ticker: found for ticker, found in changed.items() if found},
        previous_key=before.manifest.key if before else None,
        previous=before.digest if before else None,
    )
