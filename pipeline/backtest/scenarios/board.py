"""ScenarioBoard: how scenarios scored beside others, and how often their VaR was exceeded.

Scores are lower where better; ratios and tests are against filtered historical simulation.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import msgspec
import numpy as np

from pipeline.backtest.scenarios.score import FILTERED, MODELS
from pipeline.backtest.scenarios.tails import Tail, measure_tail
from pipeline.backtest.skill import Difference, compare_scores
from pipeline.bars import Floats
from pipeline.columns import Columns, where
from pipeline.scenarios.portfolios import EQUAL_WEIGHTS, JOINT
from pipeline.scenarios.risk import TAIL_LEVELS
from pipeline.scenarios.score_draw import JOINT_SCORES

SCHEMA_VERSION = 1


class ScoreRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The mean score of a model on one portfolio, or on all tickers at once, at one horizon.

    `ratio` is over the reference's, null where that scored 0. `against` is the difference to it.
    """

    portfolio: str
    horizon: int
    score: str
    model: str
    mean: float
    ratio: float | None
    against: Difference | None


class TailRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """VaR and ES of a portfolio at a level (percent) and horizon, in all years or in one."""

    portfolio: str
    horizon: int
    level: float
    model: str
    year: int | None
    tail: Tail


class ScenarioBoard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All rows of a scenario_scores table, and what they summarise."""

    schema_version: int
    first_origin: date
    last_origin: date
    origins: int
    tickers: tuple[str, ...]
    reference: str
    scores: tuple[ScoreRow, ...]
    tails: tuple[TailRow, ...]


def summarise_scenarios(scores: Columns, tickers: tuple[str, ...]) -> ScenarioBoard:
    """Return the board of a scenario_scores table, whose rows are in order of the origins."""
    origins = np.unique(scores["origin_date"])
    cells = _Cells(scores)
    return ScenarioBoard(
        schema_version=SCHEMA_VERSION,
        first_origin=origins[0].item(),
        last_origin=origins[-1].item(),
        origins=len(origins),
        tickers=tickers,
        reference=FILTERED,
        scores=tuple(_list_scores(cells)),
        tails=tuple(_list_tails(cells)),
    )


class _Cells:
    """The rows of each portfolio, horizon and model."""

    def __init__(self, scores: Columns) -> None:
        pairs = zip(scores["portfolio"].tolist(), scores["horizon"].tolist(), strict=True)
        self.keys = list(dict.fromkeys(pairs))
        self._scores = scores

    def select(self, portfolio: str, horizon: int, model: str) -> Columns:
        columns = self._scores
        rows = (columns["portfolio"] == portfolio) & (columns["horizon"] == horizon)
        return where(columns, rows & (columns["model"] == model))


def _list_scores(cells: _Cells) -> Iterator[ScoreRow]:
    for portfolio, horizon in cells.keys:
        of_models = {model: cells.select(portfolio, horizon, model) for model in MODELS}
        for score in JOINT_SCORES if portfolio == JOINT else ("crps",):
            reference = of_models[FILTERED][score]
            for model, columns in of_models.items():
                ratio, against = _compare(columns[score], reference, horizon)
                mean = float(columns[score].mean())
                yield ScoreRow(portfolio, horizon, score, model, mean, ratio, against)


def _compare(
    ours: Floats, reference: Floats, horizon: int
) -> tuple[float | None, Difference | None]:
    scored = np.ones((1, len(ours)), bool)
    mean = float(reference.mean())
    ratio = float(ours.mean()) / mean if mean > 0 else None
    return ratio, compare_scores(ours[None], reference[None], scored, horizon)


def _list_tails(cells: _Cells) -> Iterator[TailRow]:
    for portfolio, horizon in cells.keys:
        if portfolio == JOINT:
            continue
        for model in MODELS:
            columns = cells.select(portfolio, horizon, model)
            for level in TAIL_LEVELS:
                tail = measure_tail(columns, level, horizon)
                yield TailRow(portfolio, horizon, 100 * level, model, None, tail)
            if (portfolio, horizon) == (EQUAL_WEIGHTS, 1):
                yield from _list_years(columns, model)


def _list_years(columns: Columns, model: str) -> Iterator[TailRow]:
    """Yield the first level of equal weights by calendar year."""
    years = columns["origin_date"].astype("datetime64[Y]").astype(int) + 1970
    level = TAIL_LEVELS[0]
    for year in np.unique(years).tolist():
        tail = measure_tail(where(columns, years == year), level, 1)
        yield TailRow(EQUAL_WEIGHTS, 1, 100 * level, model, year, tail)
