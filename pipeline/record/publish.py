"""Publish: every object of a part, a pure function of vintage, bundle and the record before it.

The daily run writes them, a backfill makes thousands, and a replay compares them with what lies
in the store: all by the same function.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np

from pipeline.bars import VIX, Bars
from pipeline.columns import Columns
from pipeline.encoding import sha256, to_json
from pipeline.errors import Overtaken, Reason
from pipeline.forecasting.bundle import ModelBundle
from pipeline.forecasting.forecast import Forecast
from pipeline.ports import Tables
from pipeline.record.baseline_table import build_baseline_table
from pipeline.record.chain import Link
from pipeline.record.forecasters import Forecaster
from pipeline.record.manifest import SCHEMA_VERSION, RunManifest
from pipeline.record.next_state import apply_scores, start_part
from pipeline.record.part import PartInputs, PartWriter, PublishedPart, Write
from pipeline.record.prior import PriorRecord
from pipeline.record.revisions import find_revisions
from pipeline.record.scoring import ScoredForecasts, score_realised
from pipeline.record.state import State
from pipeline.record.tables import Stamp, build_forecast_columns
from pipeline.record.vintage import Vintage


def publish(
    part: PartInputs,
    forecaster: Forecaster,
    tables: Tables,
    write: Write,
    *,
    claimed: bool = False,
) -> PublishedPart:
    """Write every object of a part in order: its claim before what follows from it, then the rest.

    The manifest comes last. What is `claimed` already needs no claim.

    Raises
    ------
    Overtaken
        When another part follows the one before, or another run has published this one.
    DamagedObject
        When other bytes lie in the place of the bundle.
    """
    vintage, writer = part.vintage, PartWriter(part, tables, write)
    usable, withheld = vintage.usable(part.expected, part.prior.bars)
    writer.write_bundle(forecaster.bundle)
    if not claimed:
        writer.claim(forecaster.bundle)
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
    unfit = _find_unfit(forecast)
    fit = forecast.where(np.array([ticker not in unfit for ticker in forecast.tickers], bool))
    forecasts = writer.write_table(
        "forecasts", build_forecast_columns(fit, withheld | unfit, stamp)
    )
    baselines = writer.write_table(
        "baselines", build_baseline_table(vintage, forecast, withheld, forecaster, stamp)
    )
    manifest = build_manifest(part, forecaster.bundle.version, forecasts, writer.objects)
    return PublishedPart(commit(manifest, write), state, forecasts, baselines)


def commit(manifest: RunManifest, write: Write) -> Link:
    """Write the manifest of a part whose objects are written, and return its link.

    Raises
    ------
    Overtaken
        When another run has published the part meanwhile, with objects under other numbers.
    """
    data = to_json(manifest)
    if write(manifest.key, data) != data:
        raise Overtaken(
            f"{manifest.key}: expected to publish it, but another run did, with other objects"
        )
    return Link(manifest, sha256(data))


def is_recorded(
    vintage: Vintage, expected: Sequence[date], prior: PriorRecord, forecaster: Forecaster
) -> bool:
    """Whether the first part of a session goes on the record, refusals included.

    A record goes on with a close of the session, without which it may not have taken place. It
    begins with a part that publishes somebody.
    """
    if prior.link is not None:
        return vintage.traded(expected[-1])
    withheld = find_unpublished(vintage, expected, prior, forecaster)
    return len(withheld) < len(vintage.info.tickers)


def find_unpublished(
    vintage: Vintage, expected: Sequence[date], prior: PriorRecord, forecaster: Forecaster
) -> dict[str, Reason]:
    """Return the reason of each ticker that a part is to withhold, for all that is known before.

    What a model answers is known where a record begins: else gains may have to be learned first.
    """
    usable, withheld = vintage.usable(expected, prior.bars)
    if prior.link is not None:
        return withheld
    state = start_part(prior, forecaster.bundle.manifest, expected[-1], 0)
    forecast = forecaster.forecast(usable, vintage.bars.get(VIX)).calibrate(state.calibration)
    return withheld | _find_unfit(forecast)


def _find_unfit(forecast: Forecast) -> dict[str, Reason]:
    """Return why what the model answered of a ticker is not published."""
    tickers = np.array(forecast.tickers, object)
    plausible = forecast.plausible & (forecast.sigma > 0).all(axis=1)
    implausible = tickers[forecast.finite & ~plausible]
    return dict.fromkeys(tickers[~forecast.finite], Reason.NON_FINITE_OUTPUT) | dict.fromkeys(
        implausible, Reason.IMPLAUSIBLE_OUTPUT
    )


def _score(part: PartInputs, bars: Sequence[Bars]) -> ScoredForecasts | None:
    """Return the scores of what the vintage realises, None for nothing."""
    unscored = part.prior.unscored
    if unscored is None:
        return None
    issued = {name: column for name, column in unscored.items() if name != "mode"}
    return score_realised(issued, unscored["mode"], bars)


def _next_state(part: PartInputs, bundle: ModelBundle, scored: ScoredForecasts | None) -> State:
    prior, manifest = part.prior, bundle.manifest
    state = start_part(prior, manifest, part.session, part.number)
    return apply_scores(state, prior.manifest, prior.outstanding, manifest, scored)


def build_manifest(
    part: PartInputs, model_version: str, forecasts: Columns, objects: Mapping[str, str]
) -> RunManifest:
    """Return the manifest of a part whose objects are written."""
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
        model_version=model_version,
        tickers=dict(zip(forecasts["ticker"], forecasts["status"], strict=True)),
        horizons=len(part.target_dates),
        objects=objects,
        revisions={ticker: columns for ticker, columns in revisions.items() if columns},
        previous_key=before.manifest.key if before else None,
        previous=before.digest if before else None,
        healed=part.prior.repairs.healed,
        lost=part.prior.repairs.lost,
    )
