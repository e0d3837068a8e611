"""Leaderboard: how models scored on the same forecasts, in every cut, and how sure that is.

CRPS and interval scores are in units of log return, lower is better; ratios are to GARCH(1,1)-t.
"""

from __future__ import annotations

from datetime import date

import msgspec

from pipeline.backtest.score_cube import BASELINES, LOSSES, ScoreCube
from pipeline.backtest.skill import (
    Difference,
    HitTest,
    PriceLevel,
    compare_scores,
    coverage_p,
    measure_price_levels,
)
from pipeline.backtest.slices import CONFIRMED, Cut, cut_forecasts, vix_limits
from pipeline.bars import Flags, RawBars
from pipeline.baselines.names import GARCH_T
from pipeline.columns import Columns
from pipeline.evaluation.score_table import FORECASTER
from pipeline.evaluation.significance import christoffersen, days_to_prove, kupiec
from pipeline.forecasting.levels import INTERVALS

SCHEMA_VERSION = 1
REFERENCE = GARCH_T
TESTED = ("crps", "interval_score_95")


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One model in one cut of the forecasts, at one horizon.

    `cut` is all, period, ticker, year or vix, and `value` says which of them. `ratios` are scores
    over the reference's. p-values of coverage are null where forecasts are too few. `against` maps
    opponent to score to difference: the forecaster has all models for opponents, others the
    reference.
    """

    cut: str
    value: str
    horizon: int
    model: str
    forecasts: int
    days: int
    crps: float
    interval_score_80: float
    interval_score_95: float
    ratios: dict[str, float]
    coverage: dict[int, float]
    kupiec_p: dict[int, float | None]
    christoffersen_p: dict[int, float | None]
    against: dict[str, dict[str, Difference]]


class Leaderboard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All rows of a scores table, and what they summarise.

    Attributes
    ----------
    left_out : forecasts that some model lacks, so that none is compared there
    vix_limits : closes of the VIX between the terciles; None without a VIX
    days_to_prove : opponent -> days of live record that prove the forecaster's CRPS at horizon 1
        better, going by the years that confirm it; None where it is not
    """

    schema_version: int
    first_origin: date
    last_origin: date
    tickers: tuple[str, ...]
    horizons: tuple[int, ...]
    models: tuple[str, ...]
    left_out: int
    vix_limits: tuple[float, float] | None
    rows: tuple[Row, ...]
    price_levels: tuple[PriceLevel, ...]
    days_to_prove: dict[str, int | None]

    def select(self, cut: str, horizon: int = 1, model: str | None = None) -> list[Row]:
        """Return the rows of a cut and horizon, of one model or all."""
        return [
            row
            for row in self.rows
            if (row.cut, row.horizon) == (cut, horizon) and model in (None, row.model)
        ]

    def select_overall(self, model: str, horizon: int = 1) -> Row:
        """Return a model's row over all forecasts of a horizon."""
        return self.select("all", horizon, model)[0]


def summarise(scores: Columns, vix: RawBars | None = None) -> Leaderboard:
    """Return the leaderboard of a scores table.

    Parameters
    ----------
    scores : columns of the scores contract, one row per ticker, origin, horizon and model
    vix : bars whose closes at the origins make the terciles

    Raises
    ------
    DataError
        When the table is empty, has a row twice, or no forecast of every model.
    """
    cube = ScoreCube.from_scores(scores)
    cuts = list(cut_forecasts(cube, vix))
    rows = tuple(
        _build_row(cube, cut, horizon, model)
        for horizon in cube.horizons
        for cut in cuts
        if (cut.inside & cube.is_scored(horizon)).any()
        for model in cube.models
    )
    return Leaderboard(
        schema_version=SCHEMA_VERSION,
        first_origin=cube.origins[0].item(),
        last_origin=cube.origins[-1].item(),
        tickers=cube.tickers,
        horizons=cube.horizons,
        models=cube.models,
        left_out=cube.left_out,
        vix_limits=vix_limits(cube, vix),
        rows=rows,
        price_levels=tuple(
            measure_price_levels(cube, [m for m in cube.models if m not in BASELINES])
        ),
        days_to_prove=_days_to_prove(rows),
    )


def _build_row(cube: ScoreCube, cut: Cut, horizon: int, model: str) -> Row:
    inside = cut.inside & cube.is_scored(horizon)
    means = _mean_losses(cube, model, horizon, inside)
    reference = _mean_losses(cube, REFERENCE, horizon, inside) if REFERENCE in cube.models else {}
    hits = {c: cube.select_scores(f"covered_{c}", model, horizon) for c in INTERVALS}

    def p_values(test: HitTest) -> dict[int, float | None]:
        return {c: coverage_p(test, hit, inside, horizon, c / 100) for c, hit in hits.items()}

    return Row(
        cut=cut.name,
        value=cut.value,
        horizon=horizon,
        model=model,
        forecasts=int(inside.sum()),
        days=int(inside.any(axis=0).sum()),
        **means,
        ratios={name: means[name] / mean for name, mean in reference.items()},
        coverage={c: float(hit[inside].mean()) for c, hit in hits.items()},
        kupiec_p=p_values(kupiec),
        christoffersen_p=p_values(christoffersen),
        against={
            opponent: _compare_models(cube, (model, opponent), horizon, inside)
            for opponent in cube.models
            if opponent != model and (model == FORECASTER or opponent == REFERENCE)
        },
    )


def _mean_losses(cube: ScoreCube, model: str, horizon: int, inside: Flags) -> dict[str, float]:
    return {name: float(cube.select_scores(name, model, horizon)[inside].mean()) for name in LOSSES}


def _compare_models(
    cube: ScoreCube, pair: tuple[str, str], horizon: int, inside: Flags
) -> dict[str, Difference]:
    differences = {}
    for name in TESTED:
        ours, theirs = (cube.select_scores(name, model, horizon) for model in pair)
        differences[name] = compare_scores(ours, theirs, inside, horizon)
    return {name: difference for name, difference in differences.items() if difference is not None}


def _days_to_prove(rows: tuple[Row, ...]) -> dict[str, int | None]:
    return {
        opponent: days_to_prove(differences["crps"].t, row.days)
        for row in rows
        if (row.cut, row.horizon, row.model) == ("period", 1, FORECASTER) and row.value == CONFIRMED
        for opponent, differences in row.against.items()
        if "crps" in differences
    }
