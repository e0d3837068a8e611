"""Score draw: what scenarios of one origin are worth, once it is known what came of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.bars import Floats
from pipeline.evaluation.multivariate import energy_score, sample_crps, variogram_score
from pipeline.scenarios.portfolios import SCORED_HORIZONS, list_scored, measure_gains
from pipeline.scenarios.risk import TAIL_LEVELS

OURS = "scenarios"
JOINT_SCORES = ("energy_score", "variogram_score")
TAILS = tuple(f"{1000 * level:.0f}" for level in TAIL_LEVELS)
NUMBERS = (
    *JOINT_SCORES,
    *("realised", "crps"),
    *(f"var_{level}" for level in TAILS),
    *(f"es_{level}" for level in TAILS),
)


def score_draw(
    draw: Floats,
    realised: Floats,
    tickers: Sequence[str],
    horizons: Sequence[int] = SCORED_HORIZONS,
    *,
    paired: bool = True,
) -> Floats:
    """Return the scores of one draw, float64 (n_scored, n_numbers), NaN where there is none.

    Parameters
    ----------
    draw : float64 (n_scenarios, n_tickers, n_horizons), log returns
    realised : float64 (n_tickers, n_horizons)
    horizons : those that are scored
    paired : whether tickers are compared two by two, whose number grows with the square
    """
    numbers = np.full((len(list_scored(tickers, horizons)), len(NUMBERS)), np.nan)
    for i, horizon in enumerate(horizons):
        vectors, outcome = draw[:, :, horizon - 1], realised[:, horizon - 1]
        numbers[i, 0] = energy_score(vectors, outcome)
        numbers[i, 1] = variogram_score(vectors, outcome) if paired else np.nan
    gains = np.sort(measure_gains(draw, tickers, horizons), axis=0)
    gained = measure_gains(realised[None], tickers, horizons)[0]
    numbers[len(horizons) :, 2:] = np.column_stack(
        [gained, sample_crps(gains, gained), *_measure_tails(gains)]
    )
    return numbers


def _measure_tails(gains: Floats) -> list[Floats]:
    """Return VaR, then ES, at each level; losses positive, of gains that are in order."""
    beyond = [1.0 - level for level in TAIL_LEVELS]
    worst = [max(1, round(share * len(gains))) for share in beyond]
    return [
        *(-_interpolate(gains, share) for share in beyond),
        *(-gains[:n].mean(axis=0) for n in worst),
    ]


def _interpolate(ascending: Floats, level: float) -> Floats:
    """Return the quantile, linear between two as numpy has it, of what is in order already."""
    place = level * (len(ascending) - 1)
    below, above = ascending[int(place)], ascending[min(int(place) + 1, len(ascending) - 1)]
    quantile: Floats = below + (place - int(place)) * (above - below)
    return quantile
