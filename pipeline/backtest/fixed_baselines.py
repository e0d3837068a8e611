"""Fixed baselines: those that need no fitting, from every origin of a long history."""

from __future__ import annotations

from datetime import date

import numpy as np

from pipeline.bars import Bars
from pipeline.baselines.fixed_window import (
    BASELINE_SESSIONS,
    Parameters,
    issue_baselines,
    pool_parameters,
    slide_histories,
)
from pipeline.baselines.full_history import (
    LEVEL_GRID,
    Baseline,
    OriginQuantiles,
    ewma,
    find_first_origin,
    persistence,
)
from pipeline.baselines.names import EWMA, GARCH_T, PERSISTENCE
from pipeline.baselines.volatility import garch_t_quantiles
from pipeline.forecasting.bundle import Manifest


def build_fixed_baselines(manifest: Manifest) -> dict[str, Baseline]:
    """Return the baselines that need no fitting: GARCH_T(1,1)-t with what the bundle has stored.

    A ticker that the bundle has no parameters of gets the pooled ones, as a daily run gives it.
    """
    fixed: dict[str, Baseline] = {PERSISTENCE: persistence, EWMA: ewma}
    stored = manifest.baselines.get(GARCH_T, {})
    pooled = pool_parameters(stored)
    if pooled is None:
        return fixed

    def garch_t(bars: Bars, first: date) -> OriginQuantiles:
        if bars.ticker not in stored:
            return _issue_pooled(bars, first, pooled)
        start = find_first_origin(bars, first, 2)
        returns = np.diff(np.log(bars.close))
        quantiles = garch_t_quantiles(returns, stored[bars.ticker], manifest.horizons, LEVEL_GRID)
        return OriginQuantiles(bars.session[start:], quantiles[start - 1 :])

    return fixed | {GARCH_T: garch_t}


def _issue_pooled(bars: Bars, first: date, pooled: Parameters) -> OriginQuantiles:
    """Return what GARCH(1,1)-t of pooled parameters says; the ticker's own variance is of 300."""
    start = find_first_origin(bars, first, BASELINE_SESSIONS)
    seen = slide_histories(bars)[start - BASELINE_SESSIONS + 1 :]
    return OriginQuantiles(bars.session[start:], issue_baselines(seen, pooled)[GARCH_T].log_return)
