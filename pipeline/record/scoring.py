"""Realised: the scores of what was published, once its target has closed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.bars import Bars, Flags, Floats
from pipeline.columns import NO_ROWS, Columns, group_rows, where
from pipeline.evaluation.score_table import SCORED_INTERVALS, score_rows
from pipeline.forecasting.bundle import trained_until
from pipeline.forecasting.levels import INTERVALS, LEVELS, MEDIAN
from pipeline.grid import round_decimals, round_digits
from pipeline.record.manifest import OK
from pipeline.record.revisions import split_factor_since

# What a row of scores repeats of the forecast, so that it answers alone.
AS_ISSUED = ("mode", "lower_95", "upper_95")
SCORES = ("error", "pit", "crps", *(f"interval_score_{coverage}" for coverage in SCORED_INTERVALS))


def recover_quantiles(table: Columns) -> Floats:
    """Return the quantiles of the log return behind published prices, float64 (n, n_levels).

    On the grid, so that all that is computed from them has equal bits on every processor.
    """
    prices = np.empty((len(table["prediction"]), len(LEVELS)))
    prices[:, MEDIAN] = table["prediction"]
    for coverage, (low, high) in INTERVALS.items():
        prices[:, low], prices[:, high] = table[f"lower_{coverage}"], table[f"upper_{coverage}"]
    return round_decimals(np.log(prices / table["last_close"][:, None]))


@dataclass(frozen=True, slots=True, eq=False)
class ScoredForecasts:
    """Forecasts that were realised, with their scores row by row.

    Attributes
    ----------
    issued : forecasts columns and `model`, n rows
    scores : scores columns, n rows
    """

    issued: Columns
    scores: Columns

    def where(self, rows: Flags) -> ScoredForecasts:
        """Return the rows for which `rows` bool (n,) is True."""
        return ScoredForecasts(where(self.issued, rows), where(self.scores, rows))


def score_realised(issued: Columns, bars: Sequence[Bars]) -> ScoredForecasts | None:
    """Return the scores of what `bars` realise, None where that is nothing.

    The realised close is quoted as at the origin, splits since undone, and the return is from the
    close that was published: a forecast is never scored against a revised origin.

    Parameters
    ----------
    issued : forecasts columns and `model`, n rows
    bars : of one vintage
    """
    close = np.full(len(issued["ticker"]), np.nan)
    rows_of, published = group_rows(issued["ticker"]), issued["status"] == OK
    for ticker_bars in bars:
        rows = rows_of.get(ticker_bars.ticker, NO_ROWS)
        rows = rows[published[rows]]
        close[rows] = find_closes(
            ticker_bars, issued["origin_date"][rows], issued["target_date"][rows]
        )
    realisable = np.isfinite(close)
    if not realisable.any():
        return None
    realised, realised_close = where(issued, realisable), round_digits(close[realisable])
    realised_return = round_decimals(np.log(realised_close / realised["last_close"]))
    exact = score_rows(realised, recover_quantiles(realised), realised_close, realised_return)
    scores = {
        **exact,
        **{name: round_decimals(exact[name]) for name in SCORES},
        **{name: realised[name] for name in AS_ISSUED},
        "in_sample": is_in_sample(realised),
    }
    return ScoredForecasts(realised, scores)


def is_in_sample(issued: Columns) -> Flags:
    """Return where the model had learnt from sessions after the origin, bool (n,)."""
    versions, of_row = np.unique(issued["model_version"], return_inverse=True)
    trained = np.array([trained_until(version) for version in versions], np.str_)
    in_sample: Flags = trained[of_row] > np.datetime_as_string(issued["origin_date"], "D")
    return in_sample


def split_by_month(table: Columns) -> Mapping[str, Columns]:
    """Return the rows of each target's month, in order of the months: `2026-11` -> columns."""
    months = table["target_date"].astype("datetime64[M]")
    return {str(month): where(table, months == month) for month in np.unique(months)}


def find_closes(bars: Bars, origin: NDArray[Any], target: NDArray[Any]) -> Floats:
    """Return the close of each target as quoted at its origin, NaN where there is none yet."""
    at = np.searchsorted(bars.session, target).clip(max=len(bars) - 1)
    quoted = (bars.session[at] == target) & (origin >= bars.session[0])
    return np.where(quoted, bars.close[at] * split_factor_since(bars, origin), np.nan)
