"""Score: scenarios of every origin against what was realised, by each sampler."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.backtest.scenarios.filtered_history import FilteredHistory
from pipeline.backtest.scenarios.joint_history import STEPS, JointHistory
from pipeline.backtest.scenarios.samplers import (
    Sampler,
    draw_gaussian,
    draw_independent,
    draw_published,
)
from pipeline.bars import Floats
from pipeline.scenarios.benchmarks import GAUSSIAN, INDEPENDENCE
from pipeline.scenarios.portfolios import list_scored
from pipeline.scenarios.score_draw import NUMBERS, OURS, score_draw

FILTERED = "fhs_garch_t"
SAMPLERS: Mapping[str, Sampler] = {
    OURS: draw_published,
    GAUSSIAN: draw_gaussian,
    INDEPENDENCE: draw_independent,
}
MODELS = (*SAMPLERS, FILTERED)


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


def _score_origin(history: JointHistory, row: int, filtered: FilteredHistory) -> list[Floats]:
    draws = [draw(history, row) for draw in SAMPLERS.values()]
    draws.append(filtered.draw(int(history.at[row]), len(STEPS)))
    return [score_draw(draw, history.realised[row], history.tickers) for draw in draws]
