"""Score: scenarios of every origin against what was realised, by each sampler."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.backtest.scenarios.filtered_history import FilteredHistory
from pipeline.backtest.scenarios.joint_history import STEPS, JointHistory
from pipeline.backtest.scenarios.portfolios import (
    SCORED_HORIZONS,
    list_scored,
    measure_gains,
)
from pipeline.backtest.scenarios.samplers import (
    Sampler,
    draw_gaussian,
    draw_independent,
    draw_published,
)
from pipeline.bars import Floats
from pipeline.evaluation.multivariate import energy_score, sample_crps, variogram_score
from pipeline.scenarios.risk import TAIL_LEVELS

OURS, FILTERED = "scenarios", "fhs_garch_t"
SAMPLERS: Mapping[str, Sampler] = {
    OURS: draw_published,
    "gaussian_copula": draw_gaussian,
    "independence": draw_independent,
}
MODELS = (*SAMPLERS, FILTERED)
JOINT_SCORES = ("energy_score", "variogram_score")
TAILS = tuple(f"{1000 * level:.0f}" for level in TAIL_LEVELS)
NUMBERS = (
    *JOINT_SCORES,
    *("realised", "crps"),
    *(f"var_{level}" for level in TAILS),
    *(f"es_{level}" for level in TAILS),
)


def score_origins(
    history: JointHistory, rows: NDArray[np.int64], filtered: FilteredHistory
) -> dict[str, NDArray[Any]]:
    """Return the columns of scenario_scores of these origins, all realised.

    Parameters
    ----------
    filtered : through parameters that were fitted before the first of the origins
    """
    numbers = np.array([_score_origin(history, row, filtered) for row in rows.tolist()])
    scored = list_scored(history.tickers)
    shape = n_origins, n_models, n_scored = len(rows), len(MODELS), len(scored)
    names, horizons = (np.array(part) for part in zip(*scored, strict=True))
    at = np.broadcast_to(history.at[rows][:, None, None], shape)
    models = np.array(MODELS, object)
    return {
        "portfolio": np.tile(names.astype(object), n_origins * n_models),
        "origin_date": history.session[at].ravel(),
        "target_date": history.session[at + horizons].ravel(),
        "horizon": np.tile(horizons.astype(np.int32), n_origins * n_models),
        "model": np.tile(np.repeat(models, n_scored), n_origins),
        **{name: numbers[..., i].ravel() for i, name in enumerate(NUMBERS)},
    }


def score_draw(draw: Floats, realised: Floats, tickers: Sequence[str]) -> Floats:
    """Return the scores of one draw, float64 (n_scored, n_numbers), NaN where there is none.

    Parameters
    ----------
    draw : float64 (n_scenarios, n_tickers, n_horizons), log returns
    realised : float64 (n_tickers, n_horizons)
    """
    numbers = np.full((len(list_scored(tickers)), len(NUMBERS)), np.nan)
    for i, horizon in enumerate(SCORED_HORIZONS):
        vectors, outcome = draw[:, :, horizon - 1], realised[:, horizon - 1]
        numbers[i, :2] = energy_score(vectors, outcome), variogram_score(vectors, outcome)
    gains = np.sort(measure_gains(draw, tickers), axis=0)
    gained = measure_gains(realised[None], tickers)[0]
    numbers[len(SCORED_HORIZONS) :, 2:] = np.column_stack(
        [gained, sample_crps(gains, gained), *_measure_tails(gains)]
    )
    return numbers


def _score_origin(history: JointHistory, row: int, filtered: FilteredHistory) -> list[Floats]:
    draws = [draw(history, row) for draw in SAMPLERS.values()]
    draws.append(filtered.draw(int(history.at[row]), len(STEPS)))
    return [score_draw(draw, history.realised[row], history.tickers) for draw in draws]


def _measure_tails(gains: Floats) -> list[Floats]:
    """Return VaR, then ES, at each level; losses positive, of gains that are in order."""
    beyond = [1.0 - level for level in TAIL_LEVELS]
    worst = [max(1, round(share * len(gains))) for share in beyond]
    return [*-np.quantile(gains, beyond, axis=0), *(-gains[:n].mean(axis=0) for n in worst)]
