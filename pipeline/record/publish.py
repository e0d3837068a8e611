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
from pipeline.record.chain import Link
from pipeline.record.forecasters import Forecaster
from pipeline.record.keys import bundle_keys, calibration_key, scores_key, table_key
from pipeline.record.manifest import SCHEMA_VERSION, RunManifest
from pipeline.record.next_state import apply_scores, start_part
from pipeline.record.prior import PriorRecord
from pipeline.record.revisions import find_revisions
from pipeline.record.scoring import ScoredForecasts, score_realised, split_by_month
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
    target_dates : one per horizon
    vintage, vintage_parquet : the vintage and the bytes it is stored in
    prior : what the record says before the part
    """

    number: int
    expected: Sequence[date]
    target_dates: tuple[date, ...]
    vintage: Vintage
    vintage_parquet: bytes
    prior: PriorRecord

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
    vintage, writer = part.vintage, _PartWriter(part, tables, write)
    usable, withheld = vintage.usable(part.expected, part.prior.bars)
    writer.write_bundle(forecaster.bundle)
    scored = _score(part, usable)
    if scored is not None:
        writer.write_scores(scored)
    state = writer.write_state(_next_state(part, forecaster.bundle, scored))
    stamp = Stamp(
        origin_date=part.session,
        target_dates=part.target_dates,
        model_version=forecaster.bundle.version,
        vintage_sha256=writer.objects[part.key("bars")],
        issued_at=vintage.info.issued_at,
    )
    forecast = forecaster.forecast(usable, vintage.bars.get(VIX)).calibrate(state.calibration)
    broken = np.array(forecast.tickers, object)[~forecast.finite]
    reasons = withheld | dict.fromkeys(broken, Reason.NON_FINITE_OUTPUT)
    forecasts = writer.write_table(
        "forecasts", build_forecast_columns(forecast.where(forecast.finite), reasons, stamp)
    )
    baselines = writer.write_table(
        "baselines", build_baseline_table(vintage, forecast, withheld, forecaster, stamp)
    )
    manifest = _build_manifest(part, forecasts, writer.objects)
    link = Link(manifest, sha256(write(manifest.key, to_json(manifest))))
    return PublishedPart(link, state, forecasts, baselines)


class _PartWriter:
    """Writes a part's objects, and notes the digest of what lies under each key then.

    What an earlier run of the part wrote stays, and is what the part goes on with.
    """

    def __init__(self, part: PartInputs, tables: Tables, write: Write) -> None:
        self._part, self._tables, self._write = part, tables, write
        self.objects = {part.key("bars"): sha256(part.vintage_parquet)}

    def write_bundle(self, bundle: ModelBundle) -> None:
        """Write the bundle unless the part before kept it, and note its digests."""
        manifest, before = to_json(bundle.manifest), self._part.prior.manifest
        keys = bundle_keys(bundle.version, sha256(manifest))
        digests = (sha256(manifest), bundle.manifest.onnx_sha256)
        kept = dict(zip(keys, digests, strict=True))
        if before is None or not kept.items() <= before.objects.items():
            self._write_and_note(keys[0], manifest)
            self._write_and_note(keys[1], bundle.onnx)
        self.objects |= kept

    def write_scores(self, scored: ScoredForecasts) -> None:
        """Write the scores, an object for each month of their targets."""
        for month, rows in split_by_month(scored.scores).items():
            key = scores_key(month, self._part.session, self._part.number)
            self._write_and_note(key, self._tables.encode("scores", rows, {}))

    def write_state(self, state: State) -> State:
        """Write the state, and return it, or what an earlier run wrote in its place."""
        key, data = calibration_key(self._part.session, self._part.number), state.encode()
        stored = self._write_and_note(key, data)
        return state if stored == data else State.decode(stored, key)

    def write_table(self, name: str, columns: Columns) -> Columns:
        """Write a table, and return it, or what an earlier run wrote in its place."""
        key, data = self._part.key(name), self._tables.encode(name, columns, {})
        stored = self._write_and_note(key, data)
        if stored == data:
            return columns
        written = self._tables.decode(name, stored)[0]
        if set(written["vintage_sha256"]) != set(columns["vintage_sha256"]):
            raise StoreError(
                f"{key}: expected rows of vintage {columns['vintage_sha256'][0]}, got of "
                f"{written['vintage_sha256'][0]}"
            )
        return written

    def _write_and_note(self, key: str, data: bytes) -> bytes:
        stored = self._write(key, data)
        self.objects[key] = sha256(stored)
        return stored


def _score(part: PartInputs, bars: Sequence[Bars]) -> ScoredForecasts | None:
    """Return the scores of what the vintage realises, None for nothing."""
    unscored = part.prior.unscored
    if unscored is None:
        return None
    issued = {name: column for name, column in unscored.items() if name != "mode"}
    return score_realised(issued, unscored["mode"], bars)


def _next_state(part: PartInputs, bundle: ModelBundle, scored: ScoredForecasts | None) -> State:
    prior, manifest = part.prior, bundle.manifest
    state = start_part(prior.state, prior.state_digest, manifest, part.session, part.number)
    return apply_scores(state, prior.manifest, manifest, scored)


def _build_manifest(
    part: PartInputs, forecasts: Columns, objects: Mapping[str, str]
) -> RunManifest:
    before, info = part.prior.link, part.vintage.info
    revisions = {
        ticker: find_revisions(bars, part.prior.bars[ticker])
        for ticker, bars in part.vintage.bars.items()
        if ticker in part.prior.bars
    }
    return RunManifest(
        schema_version=SCHEMA_VERSION,
        session=part.session,
        part=part.number,
        mode=info.mode,
        issued_at=info.issued_at,
        source=info.source,
        model_version=forecasts["model_version"][0],
        tickers=dict(zip(forecasts["ticker"], forecasts["status"], strict=True)),
        horizons=len(part.target_dates),
        objects=objects,
        revisions={ticker: columns for ticker, columns in revisions.items() if columns},
        previous_key=before.manifest.key if before else None,
        previous=before.digest if before else None,
    )
