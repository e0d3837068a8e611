"""Skill: how sure a difference between two models is, and what medians say of level and sign."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec
import numpy as np

from pipeline.backtest.score_cube import ScoreCube, daily_mean
from pipeline.bars import Flags, Floats
from pipeline.evaluation.significance import MIN_DAYS, Significance, diebold_mariano, hac_lags


class Difference(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Diebold-Mariano t and two-sided p of a mean daily score difference; negative t is better."""

    t: float
    p: float


class PriceLevel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a model's median says of level and direction, beside saying nothing, on equal days.

    Persistence is "the close stays where it is". `r2_return` is 1 - the squared error of the
    median log return over that of 0. `sign_right` and `always_up_right` are shares of the days
    on which the close moved.
    """

    ticker: str
    horizon: int
    model: str
    r2_price: float
    r2_price_persistence: float
    r2_return: float
    sign_right: float
    always_up_right: float


def compare_scores(ours: Floats, theirs: Floats, scored: Flags, horizon: int) -> Difference | None:
    """Return how sure the difference of two models' scores is, by the mean over tickers of a day.

    Parameters
    ----------
    ours, theirs : float64 (n_tickers, n_origins)
    scored : bool (n_tickers, n_origins)

    Returns
    -------
    None where the days are too few or the scores do not differ
    """
    loss, benchmark = daily_mean(ours, scored), daily_mean(theirs, scored)
    if len(loss) < MIN_DAYS or np.ptp(loss - benchmark) == 0:
        return None
    t, p = diebold_mariano(loss, benchmark, lags=hac_lags(len(loss), horizon))
    return Difference(t, p)


HitTest = Callable[[Flags, float], Significance]


def coverage_p(test: HitTest, hits: Floats, scored: Flags, horizon: int, c: float) -> float | None:
    """Return one p-value of a coverage test on several tickers and overlapping targets.

    The smallest over each ticker's `horizon` series of targets that do not overlap, times their
    number (Bonferroni): it holds however alike the tickers move. Diebold, Gunther and Tay (1998).

    Parameters
    ----------
    hits : float64 (n_tickers, n_origins), 1 inside and 0 outside
    scored : bool (n_tickers, n_origins)
    c : nominal coverage

    Returns
    -------
    None where no series allows the test
    """
    series = [
        of_ticker[inside][start::horizon] > 0
        for of_ticker, inside in zip(hits, scored, strict=True)
        for start in range(horizon)
    ]
    p_values = [test(covered, c).p for covered in series if len(covered) >= MIN_DAYS]
    return min(1.0, len(p_values) * min(p_values)) if p_values else None


def measure_price_levels(cube: ScoreCube, models: Sequence[str]) -> Iterator[PriceLevel]:
    """Yield what medians say of level and direction, where closes move on enough days."""
    for horizon in cube.horizons:
        scored = cube.is_scored(horizon)
        for model in models:
            names = ("realised_close", "realised_return", "error")
            values = [cube.select_scores(name, model, horizon) for name in names]
            for row, ticker in enumerate(cube.tickers):
                close, realised, error = (value[row][scored[row]] for value in values)
                if len(close) >= MIN_DAYS and np.ptp(close) > 0:
                    shares = _measure_price_level(close, realised, error)
                    yield PriceLevel(ticker=ticker, horizon=horizon, model=model, **shares)


def _measure_price_level(close: Floats, realised: Floats, error: Floats) -> dict[str, float]:
    median, moved = realised - error, realised != 0
    return {
        "r2_price": _r2(close * np.exp(-error), close),
        "r2_price_persistence": _r2(close * np.exp(-realised), close),
        "r2_return": float(1.0 - error @ error / (realised @ realised)),
        "sign_right": float((median * realised > 0)[moved].mean()),
        "always_up_right": float((realised > 0)[moved].mean()),
    }


def _r2(predicted: Floats, realised: Floats) -> float:
    deviation = realised - realised.mean()
    error = realised - predicted
    return float(1.0 - error @ error / (deviation @ deviation))
