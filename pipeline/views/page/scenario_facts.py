"""Scenario facts: what equal weights can lose, and how tickers move together, on the page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
from msgspec import Struct

from pipeline.bars import Floats
from pipeline.scenarios.probability import correlate
from pipeline.scenarios.risk import RankedGains, TailRisk, measure_tail, rank_gains
from pipeline.scenarios.scenario_cube import ScenarioCube
from pipeline.views.page.histogram import draw_histogram
from pipeline.views.page.sources import FEW
from pipeline.views.scenario_view import ScenarioView

SHADES = 10  # of a correlation, from none to one


class RiskTile(Struct, frozen=True):
    """What equal weights can lose until a close, in percent of what is held."""

    when: str
    var_95: str
    var_99: str
    es_975: str


class Correlation(Struct, frozen=True):
    """A cell of the heat map: its number, and how dark it is."""

    text: str
    shade: int
    is_negative: bool


class ScenarioFacts(Struct, frozen=True):
    """What the page says of the scenarios; `correlations` has a row for each ticker."""

    tickers: Sequence[str]
    scenarios: str
    tiles: Sequence[RiskTile]
    histogram: str
    target_date: date
    correlations: Sequence[Sequence[Correlation]]


def list_scenario_facts(view: ScenarioView | None) -> ScenarioFacts | None:
    """Return what the page says of the scenarios; None where there are none, or of many tickers."""
    if view is None or not 0 < len(view.cube.tickers) <= FEW:
        return None
    cube = view.cube
    last = len(cube.target_dates) - 1
    following = _rank_equal_weights(cube, 0)
    return ScenarioFacts(
        tickers=cube.tickers,
        scenarios=f"{len(cube.log_return):,}",
        tiles=[_build_tile(cube, at) for at in dict.fromkeys((0, last))],
        histogram=draw_histogram(following.of_book, measure_tail(following, 0.95).var),
        target_date=cube.target_dates[0],
        correlations=_list_correlations(correlate(cube.log_return[:, :, 0].astype(np.float64))),
    )


def _rank_equal_weights(cube: ScenarioCube, at: int) -> RankedGains:
    """Return the gains of 100, held in equal parts."""
    n = len(cube.tickers)
    return rank_gains(cube.log_return[:, :, at], np.full(n, 100.0 / n))


def _build_tile(cube: ScenarioCube, at: int) -> RiskTile:
    ranked = _rank_equal_weights(cube, at)
    var_95, es_975, var_99 = (measure_tail(ranked, level) for level in (0.95, 0.975, 0.99))
    sessions = "Next session" if at == 0 else f"{at + 1} sessions"
    return RiskTile(
        when=f"{sessions}, until {cube.target_dates[at]}",
        var_95=f"{var_95.var:.2f} %",
        var_99=_show(var_99),
        es_975=f"{es_975.es:.2f} ± {es_975.es_error:.2f} %",
    )


def _show(tail: TailRisk) -> str:
    return f"{tail.var:.2f} ± {tail.var_error:.2f} %"


def _list_correlations(matrix: Floats) -> list[list[Correlation]]:
    return [
        [
            Correlation(
                f"{value:.2f}".replace("-", "\N{MINUS SIGN}"),
                round(SHADES * abs(value)),
                value < 0,
            )
            for value in row
        ]
        for row in matrix.tolist()
    ]
