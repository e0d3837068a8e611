"""Scenarios of a walk-forward backtest: drawn from every year's bundle, scored beside others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from pipeline.backtest.evaluate import Span
from pipeline.backtest.history import MarketHistory
from pipeline.backtest.pace import Pace, Progress
from pipeline.backtest.scenarios.filtered_history import FilteredHistory
from pipeline.backtest.scenarios.joint_history import JointHistory
from pipeline.backtest.scenarios.score import score_origins
from pipeline.bars import Bars
from pipeline.baselines.full_history import HORIZONS
from pipeline.columns import Columns, concatenate
from pipeline.forecasting.windows import MIN_SESSIONS
from pipeline.scenarios.marginals import N_SCENARIOS
from pipeline.training.baselines.garch import REFIT_EVERY, Parameters, fit_garch_t
from pipeline.training.walk_forward.calibrated import calibrate_refits
from pipeline.training.walk_forward.workers import run_each

# Origins whose outcomes a whole template has, those not known at all horizons included.
TEMPLATE_SESSIONS = N_SCENARIOS + len(HORIZONS) - 1


@dataclass(frozen=True, slots=True, eq=False)
class ScenarioTask:
    """The origins of one year, int64 (n,), in a history."""

    history: JointHistory
    rows: NDArray[np.int64]


def score_refit_scenarios(
    market: MarketHistory,
    span: Span,
    folder: Path,
    workers: int,
    report: Callable[[Progress], None],
) -> Columns:
    """Return the scores of scenarios from a finished walk-forward backtest, origin by origin.

    How outcomes hang together before the first origin is told by the bundle of its year, of what
    that had learnt from: no later outcome has touched it.

    Parameters
    ----------
    folder : of the backtest, with the bundles of all years of `span`
    """
    first, last = span
    forecast = calibrate_refits(folder, market.vix, begins=first.year)
    history = JointHistory.of(market.bars, forecast, _find_learnt(market.bars, first), last)
    return score_history(history, span, workers, report)


def score_history(
    history: JointHistory, span: Span, workers: int, report: Callable[[Progress], None]
) -> Columns:
    """Return the scores of the origins of a span, a year a task of `workers` processes."""
    rows = history.select_scored(*span)
    years = history.origin_date[rows].astype("datetime64[Y]")
    tasks = [ScenarioTask(history, rows[years == year]) for year in np.unique(years)]
    pace = Pace(len(tasks), ["scenarios"] * len(tasks), workers)
    scores: dict[int, Columns] = {}
    report(pace.estimate_progress())

    def keep_result(task: ScenarioTask, result: tuple[Columns, float]) -> None:
        scores[int(task.rows[0])], seconds = result
        pace.add_timing("scenarios", seconds)
        report(pace.estimate_progress())

    run_each(_time_task, tasks, workers, keep_result)
    return concatenate([scores[row] for row in sorted(scores)])


def _find_learnt(bars: Sequence[Bars], first: date) -> date:
    """Return the first origin that a template at `first` is of, as far as bars reach."""
    days = []
    for ticker_bars in bars:
        at = int(np.searchsorted(ticker_bars.session, np.datetime64(first))) - TEMPLATE_SESSIONS
        earliest = min(MIN_SESSIONS, len(ticker_bars)) - 1
        days.append(ticker_bars.session[max(at, earliest)].item())
    known: date = max(days)
    return min(first, known)


def _time_task(task: ScenarioTask) -> tuple[Columns, float]:
    start = perf_counter()
    return _score_year(task), perf_counter() - start


def _score_year(task: ScenarioTask) -> Columns:
    """Return the scores of a year; GARCH is fitted anew every 21 origins, on all returns so far."""
    returns = np.diff(np.log(task.history.close), axis=0)  # returns[i] ends at session i + 1
    parameters: Sequence[Parameters | None] = [None] * len(task.history.tickers)
    parts = []
    for first in range(0, len(task.rows), REFIT_EVERY):
        rows = task.rows[first : first + REFIT_EVERY]
        begin, end = task.history.at[rows[[0, -1]]].tolist()
        fitted = [
            fit_garch_t(series, before)
            for series, before in zip(returns[:begin].T, parameters, strict=True)
        ]
        filtered, parameters = FilteredHistory.of(returns[:end], fitted), fitted
        parts.append(score_origins(task.history, rows, filtered))
    return concatenate(parts)
