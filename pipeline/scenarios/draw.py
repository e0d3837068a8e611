"""Draw: equally likely joint futures with the published quantiles, coupled as the past was."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np

from pipeline.bars import Floats
from pipeline.scenarios.dependence import rank_scenarios
from pipeline.scenarios.marginals import scenario_values
from pipeline.scenarios.scenario_cube import ScenarioCube
from pipeline.scenarios.template import Template


def draw_scenarios(
    tickers: Sequence[str],
    last_close: Floats,
    quantiles: Floats,
    origin_date: date,
    target_dates: Sequence[date],
    template: Template,
) -> ScenarioCube:
    """Return 1,000 scenarios, a function of what is passed alone.

    Parameters
    ----------
    tickers : in any order, which changes nothing
    last_close : float64 (n_tickers,)
    quantiles : float64 (n_tickers, n_horizons, n_levels), published, of the log return
    template : of what was realised up to the origin; its tickers may be others
    """
    order = np.argsort(np.array(tickers, str), kind="stable")
    names = tuple(tickers[at] for at in order.tolist())
    values = scenario_values(quantiles[order]).transpose(2, 0, 1)
    ranks = rank_scenarios(template, names, str(origin_date))
    log_return = np.take_along_axis(values, ranks, axis=0).astype(np.float32)
    return ScenarioCube(names, origin_date, tuple(target_dates), last_close[order], log_return)
