"""Score table: what is scored of a forecast, in the columns of the contract."""

from __future__ import annotations

import numpy as np

from pipeline.bars import Floats
from pipeline.columns import Columns
from pipeline.evaluation.scoring_rules import covered, crps, interval_score, pit
from pipeline.forecasting.levels import INTERVALS, LEVELS, MEDIAN

LEVEL_GRID = np.array(LEVELS)
SCORED_INTERVALS = (80, 95)
FORECASTER = "forecaster"


def score_columns(quantiles: Floats, realised: Floats) -> Columns:
    """Return error, PIT, CRPS, interval scores and covered flags, in the order of the contract.

    Parameters
    ----------
    quantiles : float64 (n, n_levels), of the log return, non-decreasing along levels
    realised : float64 (n,), log returns
    """
    limits = {c: (quantiles[:, low], quantiles[:, high]) for c, (low, high) in INTERVALS.items()}
    return {
        "error": realised - quantiles[:, MEDIAN],
        "pit": pit(quantiles, realised, LEVEL_GRID),
        "crps": crps(quantiles, realised, LEVEL_GRID),
        **{
            f"interval_score_{c}": interval_score(*limits[c], realised, c / 100)
            for c in SCORED_INTERVALS
        },
        **{f"covered_{c}": covered(*ends, realised) for c, ends in limits.items()},
    }
