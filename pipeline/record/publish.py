"""Publish: every object of a part, a pure function of vintage, bundle and the record before it.

The daily run writes them, a backfill makes thousands, and a replay compares them with what lies
in the store: all by the same function.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import msgspec
import numpy as np

from pipeline.bars import VIX, Bars
from pipeline.columns import Columns, concatenate
from pipeline.encoding import sha256, to_json
from pipeline.errors import Reason
from pipeline.forecasting.bundle import ModelBundle
from pipeline.forecasting.forecast import Forecast
from pipeline.ports import Tables
from pipeline.record.baseline_table import build_baseline_table
from pipeline.record.chain import Link
from pipeline.record.forecasters import Forecaster
from pipeline.record.manifest import OK, SCHEMA_VERSION, Correction, RunManifest
from pipeline.record.next_state import apply_scores, start_part
from pipeline.record.notes import find_notes, note_corrected, note_filled
from pipeline.record.part import PartInputs, PartWriter, PublishedPart, Write
from pipeline.record.plausible_close import select_fit
from pipeline.record.prior import PriorRecord
from pipeline.record.rescoring import Rescored, correct_state, list_corrections, rescore
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
        When another part follows the one before.
    StoreError
        When an object is there already that belongs to another vintage.
    """
    vintage, writer = part.vintage, PartWriter(part, tables, write)
    usable, withheld = select_fit(vintage, part.expected, part.target_dates[0], part.prior)
    writer.write_bundle(forecaster.bundle)
    if not claimed:
        writer.claim(forecaster.bundle)
    scored = _score(part, usable)
    rescored = rescore(part.mended, usable)
    new = [*(of_run.new for of_run in rescored), *([scored.scores] if scored else [])]
    if new:
        writer.write_scores(concatenate(new))
    state = writer.write_state(_next_state(part, forecaster.bundle, scored, rescored))
    stamp = Stamp(
        origin_date=part.session,
        target_dates=part.target_dates,
        model_version=forecaster.bundle.version,
        vintage_sha256=writer.objects[part.key("bars")],
        issued_at=vintage.info.issued_at,
        mode=vintage.info.mode,
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
    covariates = forecaster.bundle.manifest.covariates
    manifest = _build_manifest(part, forecasts, writer.objects, covariates)
    manifest = _with_corrections(manifest, list_corrections(part.mended, rescored))
    link = Link(manifest, sha256(write(manifest.key, to_json(manifest))))
    return PublishedPart(link, state, forecasts, baselines)


def is_recorded(
    vintage: Vintage,
    expected: Sequence[date],
    next_session: date,
    prior: PriorRecord,
    forecaster: Forecaster,
) -> bool:
    """Whether the first part of a session goes on the record, refusals included.

    A record goes on with a close of the session, without which it may not have taken place. It
    begins with a part that publishes somebody.
    """
    if prior.link is not None:
        return vintage.traded(expected[-1])
    withheld = find_unpublished(vintage, expected, next_session, prior, forecaster)
    return len(withheld) < len(vintage.info.tickers)


def find_unpublished(
    vintage: Vintage,
    expected: Sequence[date],
    next_session: date,
    prior: PriorRecord,
    forecaster: Forecaster,
) -> dict[str, Reason]:
    """Return the reason of each ticker that a part is to withhold, for all that is known before.

    What a model answers is known where a record begins: else gains may have to be learned first.
    """
    usable, withheld = select_fit(vintage, expected, next_session, prior)
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
    return score_realised(unscored, bars) if unscored is not None else None


def _next_state(
    part: PartInputs,
    bundle: ModelBundle,
    scored: ScoredForecasts | None,
    rescored: Sequence[Rescored],
) -> State:
    prior, manifest = part.prior, bundle.manifest
    state = start_part(prior, manifest, part.session, part.number)
    state = correct_state(state, manifest, rescored)
    return apply_scores(state, prior.manifest, prior.outstanding, manifest, scored)


def _build_manifest(
    part: PartInputs, forecasts: Columns, objects: Mapping[str, str], covariates: Sequence[str]
) -> RunManifest:
    before, info = part.prior.link, part.vintage.info
    revisions = {
        ticker: find_revisions(bars, part.prior.bars[ticker])
        for ticker, bars in part.vintage.bars.items()
        if ticker in part.prior.bars
    }
    tickers = dict(zip(forecasts["ticker"], forecasts["status"], strict=True))
    published = [ticker for ticker, status in tickers.items() if status == OK]
    return RunManifest(
        schema_version=SCHEMA_VERSION,
        session=part.session,
        part=part.number,
        mode=info.mode,
        issued_at=info.issued_at,
        source=info.source,
        model_version=forecasts["model_version"][0],
        tickers=tickers,
        horizons=len(part.target_dates),
        objects=objects,
        revisions={ticker: columns for ticker, columns in revisions.items() if columns},
        previous_key=before.manifest.key if before else None,
        previous=before.digest if before else None,
        healed=part.prior.repairs.healed,
        lost=part.prior.repairs.lost,
        filled_bars=info.filled,
        notes=(
            *find_notes(part.vintage.bars, published, covariates, part.expected),
            *note_filled(info.filled),
        ),
    )


def _with_corrections(
    manifest: RunManifest, corrected: Mapping[str, tuple[Correction, ...]]
) -> RunManifest:
    sessions = {ticker: [each.session for each in of] for ticker, of in corrected.items()}
    notes = (*manifest.notes, *note_corrected(sessions))
    return msgspec.structs.replace(manifest, corrected=corrected, notes=notes)
