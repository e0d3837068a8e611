"""Proof: a model trained before a date, scored after it beside GARCH(1,1)-t."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from pipeline.bars import Bars, Floats
from pipeline.forecast import forecast_history
from pipeline.intervals import INTERVALS, LEVELS, NEUTRAL
from pipeline.model import Model
from pipeline.scoring import covered, crps, interval_score
from pipeline.significance import diebold_mariano
from pipeline.training.garch import garch_t
from pipeline.training.train import train_bundle
from pipeline.windows import log_returns_ahead

LEVEL_GRID = np.array(LEVELS)
FORECASTER, GARCH = "forecaster", "garch_t"


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """Scores of one model on one ticker's origins, horizon 1; each float64 (n,) of log returns."""

    crps: Floats
    interval_score_80: Floats
    interval_score_95: Floats
    covered: Mapping[int, Floats]


Proof = Mapping[str, Mapping[str, Scored]]


def prove(bars: Sequence[Bars], first: date) -> Proof:
    """Train on bars before `first`, then score every origin from `first` on.

    GARCH is refitted every 21 sessions on all returns so far; ours is not refitted at all.

    Parameters
    ----------
    bars : all bars of each ticker
    first : first origin scored; the last target trained on lies before it

    Returns
    -------
    model -> ticker -> Scored, both models on the same origins
    """
    model = Model(train_bundle([one.as_of(first - timedelta(days=1)) for one in bars]))
    return {
        FORECASTER: {one.ticker: _forecaster(one, model, first) for one in bars},
        GARCH: {one.ticker: _garch(one, first) for one in bars},
    }


def pooled(proof: Proof, model: str, score: str) -> Floats:
    """Return a score of all tickers in one array, tickers in order."""
    return np.concatenate([getattr(scored, score) for scored in proof[model].values()])


def ratio(proof: Proof, score: str) -> float:
    """Return the forecaster's mean score over that of GARCH(1,1)-t, pooled over tickers."""
    return float(pooled(proof, FORECASTER, score).mean() / pooled(proof, GARCH, score).mean())


def daily_difference(proof: Proof, score: str) -> tuple[float, float]:
    """Return Diebold-Mariano t and p of the score averaged over tickers day by day."""
    ours, theirs = (
        np.mean([getattr(scored, score) for scored in proof[model].values()], axis=0)
        for model in (FORECASTER, GARCH)
    )
    return diebold_mariano(ours, theirs)


def _forecaster(bars: Bars, model: Model, first: date) -> Scored:
    made = forecast_history(bars, model, NEUTRAL)
    realised = log_returns_ahead(bars.close[None], (1,))[0, -len(made.tickers) :, 0]
    rows = (made.origin_date >= np.datetime64(first)) & np.isfinite(realised)
    return _scored(made.log_return_quantiles[rows, 0], realised[rows])


def _garch(bars: Bars, first: date) -> Scored:
    quantiles = garch_t(bars, first).log_return_quantiles[:-1, 0]
    return _scored(quantiles, np.diff(np.log(bars.close))[-len(quantiles) :])


def _scored(quantiles: Floats, realised: Floats) -> Scored:
    def limits(coverage: int) -> tuple[Floats, Floats]:
        lower, upper = INTERVALS[coverage]
        return quantiles[:, lower], quantiles[:, upper]

    return Scored(
        crps=crps(quantiles, realised, LEVEL_GRID),
        interval_score_80=interval_score(*limits(80), realised, 0.80),
        interval_score_95=interval_score(*limits(95), realised, 0.95),
        covered={c: covered(*limits(c), realised).astype(np.float64) for c in INTERVALS},
    )
