"""Score table: what is scored of a forecast, in the columns of the contract."""

from __future__ import annotations

import numpy as np

from pipeline.bars import Floats
from pipeline.columns import Columns
from pipeline.evaluation.scoring_rules import crps, interval_score, is_covered, pit
from pipeline.forecasting.levels import INTERVALS, LEVELS, MEDIAN

LEVEL_GRID = np.array(LEVELS)
SCORED_INTERVALS = (80, 95)
FORECASTER = "forecaster"
FORECAST_KEY = ("ticker", "origin_date", "target_date", "horizon", "model")


def score_rows(
    forecasts: Columns, quantiles: Floats, realised_close: Floats, realised_return: Floats
) -> Columns:
    """Return a scores row per forecast, columns in the order of the contract.

    Parameters
    ----------
    forecasts : columns of FORECAST_KEY and `model_version`, n rows
    quantiles : float64 (n, n_levels), of the log return, non-decreasing along levels
    realised_close : float64 (n,)
    realised_return : float64 (n,), log returns
    """
    return {
        **{name: forecasts[name] for name in FORECAST_KEY},
        "realised_close": realised_close,
        "realised_return": realised_return,
        **compute_scores(quantiles, realised_return),
        "model_version": forecasts["model_version"],
    }


def compute_scores(quantiles: Floats, realised: Floats) -> Columns:
    """Return error, PIT, CRPS, interval scores and covered flags."""
    limits = {c: (quantiles[:, low], quantiles[:, high]) for c, (low, high) in INTERVALS.items()}
    return {
        "error": realised - quantiles[:, MEDIAN],
        "pit": pit(quantiles, realised, LEVEL_GRID),
        "crps": crps(quantiles, realised, LEVEL_GRID),
        **{
            f"interval_score_{c}": interval_score(*limits[c], realised, c / 100)
            for c in SCORED_INTERVALS
        },
        **{f"covered_{c}": is_covered(*ends, realised) for c, ends in limits.items()},
    }
