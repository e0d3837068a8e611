"""Scenario scores: what the scenarios of earlier parts were worth, once their targets closed.

The unit is a part at a horizon: it is scored by the first later part whose bars have the closes
of all its tickers, beside the same marginals coupled otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

from pipeline.bars import Bars, Floats, RawBars
from pipeline.columns import Columns, concatenate
from pipeline.grid import round_decimals, round_digits
from pipeline.record.issued_scenarios import IssuedScenarios, PartId
from pipeline.record.scoring import find_closes
from pipeline.record.unscored_scenarios import DueScenarios
from pipeline.scenarios.benchmarks import (
    GAUSSIAN,
    INDEPENDENCE,
    correlate_paths,
    draw_own_paths,
    reorder,
)
from pipeline.scenarios.portfolios import JOINT, list_scored
from pipeline.scenarios.score_draw import NUMBERS, OURS, TAILS, score_draw

TABLE = "scenario_scores"
# Returns that all tickers share, below which nothing is said of their correlations.
MIN_CORRELATED = 60
# Tickers up to which there is a variogram score: a run's cost grows with the tickers, no faster.
MOST_PAIRED = 16


@dataclass(frozen=True, slots=True, eq=False)
class ScenarioScores:
    """The scores of one part's scenarios at one horizon, scenario_scores columns."""

    issued: IssuedScenarios
    horizon: int
    columns: Columns

    @property
    def id(self) -> tuple[PartId, int]:
        return self.issued.id, self.horizon


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """Bars of one vintage by ticker: those that are fit, and all as they were read, for history."""

    fit: Mapping[str, Bars]
    read: Mapping[str, RawBars]


def score_due(due: Iterable[DueScenarios], outcomes: Outcomes) -> list[ScenarioScores]:
    """Return the scores of all that a vintage realises of what is due."""
    return [
        scores
        for each in due
        for horizon in each.horizons
        if (scores := score_scenarios(each.issued, horizon, outcomes)) is not None
    ]


def score_scenarios(
    issued: IssuedScenarios, horizon: int, outcomes: Outcomes
) -> ScenarioScores | None:
    """Return the scores of a part's scenarios at a horizon, None where a close is missing.

    The lowest close of a path is left out where one on the way is missing.
    """
    cube = issued.cube
    if horizon > len(cube.target_dates) or not outcomes.fit.keys() >= set(cube.tickers):
        return None
    realised = _realise(issued, [outcomes.fit[t] for t in cube.tickers])[:, :horizon]
    if not np.isfinite(realised[:, -1]).all():
        return None
    scored, paired = list_scored(cube.tickers, (horizon,)), len(cube.tickers) <= MOST_PAIRED
    numbers = {
        model: round_decimals(score_draw(draw, realised, cube.tickers, (horizon,), paired=paired))
        for model, draw in _draw_all(issued, outcomes.read, horizon)
    }
    names = [name for name, _ in scored]
    parts = [_build_columns(issued, horizon, model, names, of) for model, of in numbers.items()]
    columns = concatenate(parts)
    known = (columns["portfolio"] == JOINT) | np.isfinite(columns["realised"])
    return ScenarioScores(issued, horizon, {n: column[known] for n, column in columns.items()})


def _realise(issued: IssuedScenarios, bars: Sequence[Bars]) -> Floats:
    """Return the log returns to each target, float64 (n_tickers, n_horizons), NaN if not yet.

    The close is quoted as at the origin, and the return is from the close that was published.
    """
    cube = issued.cube
    targets = np.array(cube.target_dates, "datetime64[D]")
    origins = np.full(len(targets), cube.origin_date, "datetime64[D]")
    closes = np.stack([find_closes(of_ticker, origins, targets) for of_ticker in bars])
    return round_decimals(np.log(round_digits(closes) / cube.last_close[:, None]))


def _draw_all(
    issued: IssuedScenarios, bars: Mapping[str, RawBars], horizon: int
) -> Iterator[tuple[str, Floats]]:
    """Yield the scenarios by name, then the same marginals coupled otherwise.

    Of the path no more than what is scored: up to the horizon where its lowest close is.
    """
    cube = issued.cube
    drawn = cube.log_return[:, :, :horizon].astype(np.float64)
    yield OURS, drawn
    marginals = np.sort(drawn, axis=0)
    paths = draw_own_paths(cube.tickers, str(cube.origin_date), len(cube.target_dates))
    close = _share_closes(issued, bars)
    if len(close) > MIN_CORRELATED and len(cube.tickers) > 1:
        yield GAUSSIAN, reorder(marginals, correlate_paths(paths, close)[:, :, :horizon])
    yield INDEPENDENCE, reorder(marginals, paths[:, :, :horizon])


def _share_closes(issued: IssuedScenarios, bars: Mapping[str, RawBars]) -> Floats:
    """Return closes up to the origin of sessions that all tickers have, (n_sessions, n_tickers)."""
    read = [_select_priced(bars[ticker], issued) for ticker in issued.cube.tickers]
    shared = reduce(np.intersect1d, [of_ticker.session for of_ticker in read])
    closes = [of.close[np.searchsorted(of.session, shared)] for of in read]
    return np.stack(closes, axis=1)


def _select_priced(bars: RawBars, issued: IssuedScenarios) -> RawBars:
    """Return the bars up to the origin that have a price; none where they are out of order."""
    bars = bars.as_of(issued.cube.origin_date)
    if (np.diff(bars.session).astype(np.int64) <= 0).any():
        return bars.tail(0)
    return bars.rows(np.isfinite(bars.close) & (bars.close > 0))


def _build_columns(
    issued: IssuedScenarios, horizon: int, model: str, portfolios: Sequence[str], numbers: Floats
) -> Columns:
    """Return the rows of one model, numbers float64 (n_scored, n_numbers)."""
    cube, n = issued.cube, len(portfolios)
    named = dict(zip(NUMBERS, numbers.T, strict=True))
    lost = -named["realised"]
    exceeded = {
        f"exceeded_{level}": np.where(np.isnan(lost), np.nan, lost > named[f"var_{level}"])
        for level in TAILS
    }
    return {
        "portfolio": np.array(portfolios, object),
        "n_tickers": np.full(n, len(cube.tickers), np.int32),
        "origin_date": np.full(n, cube.origin_date, "datetime64[D]"),
        "target_date": np.full(n, cube.target_dates[horizon - 1], "datetime64[D]"),
        "horizon": np.full(n, horizon, np.int32),
        "part": np.full(n, issued.part, np.int32),
        "model": np.full(n, model, object),
        "mode": np.full(n, issued.mode.value, object),
        "in_sample": np.full(n, issued.in_sample, bool),
        **named,
        **exceeded,
        "model_version": np.full(n, issued.model_version, object),
    }
