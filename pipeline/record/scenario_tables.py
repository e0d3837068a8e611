"""Scenario tables of a part: the template that outcomes so far make, and what is drawn from it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.columns import Columns, where
from pipeline.evaluation.score_table import FORECASTER
from pipeline.forecasting.bundle import Manifest, StoredTemplate
from pipeline.record.drawn import MOST_TICKERS, Kept, has_scenarios, select_kept
from pipeline.record.manifest import OK
from pipeline.record.part import PartInputs, PartWriter
from pipeline.record.prior_templates import TABLE, PriorTemplates
from pipeline.record.scoring import ScoredForecasts, recover_quantiles
from pipeline.record.tables import Stamp
from pipeline.scenarios.cube_columns import TABLE as SCENARIOS
from pipeline.scenarios.draw import draw_scenarios
from pipeline.scenarios.marginals import transform_outcomes
from pipeline.scenarios.scenario_cube import ScenarioCube
from pipeline.scenarios.template import Template, overlay, select_known, to_columns, unpack


def write_scenarios(
    writer: PartWriter,
    part: PartInputs,
    bundle: Manifest,
    scored: ScoredForecasts | None,
    forecasts: Columns,
    stamp: Stamp,
) -> tuple[PriorTemplates, ScenarioCube | None]:
    """Write template and scenarios of a part, and return what later sessions go on with.

    Parameters
    ----------
    scored : what the part could score, which the template learns from
    forecasts : as published, whose quantiles the scenarios have
    """
    info, before, prior = part.vintage.info, part.prior.manifest, part.prior.templates
    n_asked = len(info.tickers)
    kept = select_kept(info.mode, n_asked, part.session, before.session if before else None)
    if kept is Kept.NOTHING:
        return prior, None
    if kept is Kept.NEW:
        new = _list_outcomes(scored, len(part.target_dates))
        _write_template(writer, new)
        return PriorTemplates((*prior.layers, new)), None
    template = _next_template(part, bundle, scored)
    if len(template.tickers) > MOST_TICKERS:
        return prior, None
    _write_template(writer, template)
    cube = None
    published = where(forecasts, forecasts["status"] == OK)
    if has_scenarios(info.mode, n_asked) and len(published["ticker"]):
        cube = _draw(published, part, prior.select(template))
        writer.write_table(SCENARIOS, build_scenario_columns(cube, stamp))
    return PriorTemplates((template,)), cube


def _write_template(writer: PartWriter, template: Template) -> None:
    if template.tickers:
        writer.write_table(TABLE, to_columns(template))


def build_scenario_columns(cube: ScenarioCube, stamp: Stamp) -> Columns:
    """Return the scenarios table, rows by ticker, horizon and scenario."""
    n_scenarios, n_tickers, n_horizons = cube.log_return.shape
    size = n_scenarios * n_tickers * n_horizons
    horizons = np.arange(1, n_horizons + 1, dtype=np.int32)
    targets = np.array(cube.target_dates, "datetime64[D]")
    versions = np.array(list(map(stamp.version_of, cube.tickers)), object)
    return {
        "scenario": np.tile(np.arange(n_scenarios, dtype=np.int32), n_tickers * n_horizons),
        "ticker": np.repeat(np.array(cube.tickers, object), n_horizons * n_scenarios),
        "origin_date": np.full(size, stamp.origin_date, "datetime64[D]"),
        "target_date": np.tile(np.repeat(targets, n_scenarios), n_tickers),
        "horizon": np.tile(np.repeat(horizons, n_scenarios), n_tickers),
        "log_return": _in_row_order(cube.log_return),
        "price": _in_row_order(cube.price.astype(np.float32)),
        "mode": np.broadcast_to(np.array(stamp.mode.value, object), size),
        "model_version": np.repeat(versions, n_horizons * n_scenarios),
        "vintage_sha256": np.broadcast_to(np.array(stamp.vintage_sha256, object), size),
    }


def _in_row_order(values: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(values.transpose(1, 2, 0)).ravel()


def _next_template(part: PartInputs, bundle: Manifest, scored: ScoredForecasts | None) -> Template:
    """Return the bundle's template, what the record has over it, and the newest outcomes on top.

    Of the bundle's, nothing that was not known yet.
    """
    n_horizons = len(part.target_dates)
    layers = [Template.empty(n_horizons)]
    if isinstance(bundle.template, StoredTemplate):
        stored = unpack(bundle.template, len(bundle.horizons))
        layers.append(select_known(stored, part.expected))
    layers += [*part.prior.templates.layers, _list_outcomes(scored, n_horizons)]
    return overlay(layers, n_horizons).newest()


def _list_outcomes(scored: ScoredForecasts | None, n_horizons: int) -> Template:
    if scored is None:
        return Template.empty(n_horizons)
    ours = scored.where(
        (scored.scores["model"] == FORECASTER) & (scored.scores["horizon"] <= n_horizons)
    )
    levels = transform_outcomes(recover_quantiles(ours.issued), ours.scores["realised_return"])
    ticker, origin, horizon = (ours.scores[n] for n in ("ticker", "origin_date", "horizon"))
    return Template.of_rows(ticker, origin, horizon, levels, n_horizons)


def _draw(published: Columns, part: PartInputs, template: Template) -> ScenarioCube:
    n_horizons = len(part.target_dates)
    quantiles = recover_quantiles(published)
    return draw_scenarios(
        published["ticker"][::n_horizons].tolist(),
        published["last_close"][::n_horizons],
        quantiles.reshape(-1, n_horizons, quantiles.shape[1]),
        part.session,
        part.target_dates,
        template.to_horizons(n_horizons),
    )
