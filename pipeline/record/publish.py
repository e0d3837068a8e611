"""Publish: every object of a part, a pure function of vintage, bundle and the record before it.

The daily run writes them, a backfill makes thousands, and a replay compares them with what lies
in the store: all by the same function.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date

import numpy as np

from pipeline.bars import VIX, Bars
from pipeline.columns import Columns, concatenate
from pipeline.errors import Reason
from pipeline.forecasting.bundle import ModelBundle
from pipeline.forecasting.forecast import Forecast
from pipeline.ports import Tables
from pipeline.record.baseline_table import build_baseline_table
from pipeline.record.commit import build_manifest, commit, with_corrections
from pipeline.record.forecasters import Forecaster, select_manifests
from pipeline.record.independent import with_independent
from pipeline.record.issued_scenarios import IssuedScenarios
from pipeline.record.next_state import apply_scores, hand_over, start_part
from pipeline.record.part import PartInputs, PartWriter, PublishedPart, Write
from pipeline.record.plausible_close import Fit, select_fit
from pipeline.record.prior import PriorRecord
from pipeline.record.proven import with_unproven
from pipeline.record.renamed import take_over
from pipeline.record.rescoring import Rescored, correct_state, list_corrections, rescore
from pipeline.record.scenario_outcomes import score_part, with_scenarios, write_scenario_scores
from pipeline.record.scenario_tables import write_scenarios
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
    vintage, bundle, writer = part.vintage, forecaster.bundle, PartWriter(part, tables, write)
    usable, withheld = part.fit or select_fit(
        vintage, part.expected, part.target_dates[0], part.prior
    )
    others = forecaster.select_others(vintage.info.tickers)
    _write_bundles(writer, (bundle, *others.values()))
    if not claimed:
        writer.claim(bundle)
    scored, rescored = _score(part, usable), rescore(part.mended, usable)
    _write_scores(writer, scored, rescored)
    joint = score_part(part, usable)
    write_scenario_scores(writer, joint)
    state = _next_state(part, usable, forecaster, (scored, rescored))
    state = writer.write_state(with_scenarios(state, part, joint))
    stamp = _stamp(part, forecaster, writer.objects)
    forecast = forecaster.forecast(usable, vintage.bars.get(VIX)).calibrate(state.calibration)
    forecasts = writer.write_table("forecasts", _build_forecasts(forecast, withheld, stamp))
    baselines = writer.write_table(
        "baselines", build_baseline_table(vintage, forecast, withheld, forecaster, stamp)
    )
    templates, cube = write_scenarios(writer, part, bundle.manifest, scored, forecasts, stamp)
    manifest = build_manifest(
        part, bundle.version, forecasts, writer.objects, bundle.manifest.covariates
    )
    manifest = with_corrections(manifest, list_corrections(part.mended, rescored))
    manifest = with_unproven(manifest, bundle, others, state)
    manifest = with_independent(manifest, part, templates, cube)
    drawn = IssuedScenarios.of(manifest, cube) if cube else None
    return PublishedPart(commit(manifest, write), state, forecasts, baselines, templates, drawn)


def is_recorded(
    vintage: Vintage, session: date, prior: PriorRecord, withheld: Collection[str]
) -> bool:
    """Whether the first part of a session goes on the record, refusals included.

    A record goes on with a close of the session, without which it may not have taken place. It
    begins with a part that publishes somebody.
    """
    if prior.link is not None:
        return vintage.traded(session)
    return len(withheld) < len(vintage.info.tickers)


def find_unpublished(
    vintage: Vintage, fit: Fit, session: date, prior: PriorRecord, forecaster: Forecaster
) -> Mapping[str, Reason]:
    """Return the reason of each ticker that a part is to withhold, for all that is known before.

    What a model answers is known where a record begins: else gains may have to be learned first.
    """
    usable, withheld = fit
    if prior.link is not None:
        return withheld
    state = start_part(prior, forecaster.bundle.manifest, session, 0)
    state = _hand_over(state, prior, vintage, usable, forecaster)
    forecast = forecaster.forecast(usable, vintage.bars.get(VIX)).calibrate(state.calibration)
    return {**withheld, **find_unfit(forecast)}


def find_unfit(forecast: Forecast) -> dict[str, Reason]:
    """Return why what the model answered of a ticker is not published."""
    tickers = np.array(forecast.tickers, object)
    plausible = forecast.plausible & (forecast.sigma > 0).all(axis=1)
    implausible = tickers[forecast.finite & ~plausible]
    return dict.fromkeys(tickers[~forecast.finite], Reason.NON_FINITE_OUTPUT) | dict.fromkeys(
        implausible, Reason.IMPLAUSIBLE_OUTPUT
    )


def _write_bundles(writer: PartWriter, bundles: Sequence[ModelBundle]) -> None:
    """Write each version of the bundles once, in their order."""
    for version in dict.fromkeys(of.version for of in bundles):
        writer.write_bundle(next(of for of in bundles if of.version == version))


def _build_forecasts(forecast: Forecast, withheld: Mapping[str, Reason], stamp: Stamp) -> Columns:
    """Return the forecasts table, whose rows say of what is not published why."""
    unfit = find_unfit(forecast)
    fit = forecast.where(np.array([ticker not in unfit for ticker in forecast.tickers], bool))
    return build_forecast_columns(fit, {**withheld, **unfit}, stamp)


def _score(part: PartInputs, bars: Sequence[Bars]) -> ScoredForecasts | None:
    """Return the scores of what the vintage realises, None for nothing."""
    unscored = part.prior.unscored
    return score_realised(unscored, bars) if unscored is not None else None


def _write_scores(
    writer: PartWriter, scored: ScoredForecasts | None, rescored: Sequence[Rescored]
) -> None:
    """Write the rows scored for the first time, and those made again, if any."""
    new = [*(of_run.new for of_run in rescored), *([scored.scores] if scored else [])]
    if new:
        writer.write_scores(concatenate(new))


def _stamp(part: PartInputs, forecaster: Forecaster, objects: Mapping[str, str]) -> Stamp:
    others = forecaster.select_others(part.vintage.info.tickers)
    return Stamp(
        origin_date=part.session,
        target_dates=part.target_dates,
        model_version=forecaster.bundle.version,
        others={ticker: bundle.version for ticker, bundle in others.items()},
        vintage_sha256=objects[part.key("bars")],
        issued_at=part.vintage.info.issued_at,
        mode=part.vintage.info.mode,
    )


def _next_state(
    part: PartInputs,
    usable: Sequence[Bars],
    forecaster: Forecaster,
    outcomes: tuple[ScoredForecasts | None, Sequence[Rescored]],
) -> State:
    prior, (scored, rescored) = part.prior, outcomes
    state = start_part(prior, forecaster.bundle.manifest, part.session, part.number)
    state = _hand_over(state, prior, part.vintage, usable, forecaster)
    served = select_manifests(forecaster, part.vintage.info.tickers)
    state = correct_state(state, rescored, served)
    return apply_scores(state, prior.manifest, prior.outstanding, served, scored)


def _hand_over(
    state: State,
    prior: PriorRecord,
    vintage: Vintage,
    usable: Sequence[Bars],
    forecaster: Forecaster,
) -> State:
    """Return the state in which each ticker fit for a forecast is served by its own model."""
    main, vix = forecaster.bundle.version, vintage.bars.get(VIX)
    fit = [bars.ticker for bars in usable]
    others = {ticker: of.version for ticker, of in forecaster.select_others(fit).items()}
    return hand_over(
        take_over(state, vintage.info.renamed, fit),
        prior,
        dict.fromkeys(fit, main) | others,
        lambda ticker: forecaster.first_log_gains(vintage.bars[ticker], vix),
    )
