"""JointHistory: what was issued of several tickers on the same origins, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from pipeline.bars import Bars, Floats, Sessions
from pipeline.baselines.full_history import HORIZONS, Baseline
from pipeline.errors import DataError, Reason
from pipeline.forecasting.windows import log_returns_ahead
from pipeline.scenarios.marginals import N_SCENARIOS, transform_outcomes
from pipeline.scenarios.template import Template, to_grid

STEPS = np.array(HORIZONS)


@dataclass(frozen=True, slots=True, eq=False)
class JointHistory:
    """Forecasts of the origins that every ticker has, and closes of the sessions that all share.

    Attributes
    ----------
    tickers : in alphabetical order
    session : datetime64[D] (n_sessions,)
    close : float64 (n_sessions, n_tickers)
    at : int64 (n_origins,), the session of each origin
    quantiles : float64 (n_origins, n_tickers, n_horizons, n_levels), of the log return
    realised : float64 (n_origins, n_tickers, n_horizons), log returns, NaN if not yet
    levels : float64, of the same shape: where each outcome lay in its own forecast
    """

    tickers: tuple[str, ...]
    session: Sessions
    close: Floats
    at: NDArray[np.int64]
    quantiles: Floats
    realised: Floats
    levels: Floats

    @classmethod
    def of(cls, bars: Sequence[Bars], forecast: Baseline, first: date, last: date) -> JointHistory:
        """Return what `forecast` issues of every ticker from `first` to `last`."""
        ordered = sorted(bars, key=lambda ticker_bars: ticker_bars.ticker)
        issued = [forecast(ticker_bars.as_of(last), first) for ticker_bars in ordered]
        session = reduce(np.intersect1d, [ticker_bars.session for ticker_bars in ordered])
        origin = reduce(np.intersect1d, [session, *(each.origin_date for each in issued)])
        close = np.stack([_select(of.session, of.close, session) for of in ordered], axis=1)
        quantiles = [_select(i.origin_date, i.log_return_quantiles, origin) for i in issued]
        at = np.searchsorted(session, origin)
        realised = log_returns_ahead(close.T, HORIZONS)[:, at].transpose(1, 0, 2)
        return cls.of_arrays(
            tuple(each.ticker for each in ordered),
            session,
            close,
            at,
            np.stack(quantiles, axis=1),
            realised,
        )

    @classmethod
    def of_arrays(
        cls,
        tickers: tuple[str, ...],
        session: Sessions,
        close: Floats,
        at: NDArray[np.int64],
        quantiles: Floats,
        realised: Floats,
    ) -> JointHistory:
        """Return the history with the levels of what was realised; attributes as of the class."""
        known = np.isfinite(realised)
        levels = np.full(realised.shape, np.nan)
        levels[known] = to_grid(transform_outcomes(quantiles[known], realised[known]))
        return cls(tickers, session, close, at, quantiles, realised, levels)

    @property
    def origin_date(self) -> Sessions:
        return self.session[self.at]

    def select_scored(self, first: date, last: date) -> NDArray[np.int64]:
        """Return the origins of a span whose every target is realised.

        Raises
        ------
        DataError
            When there is none.
        """
        origins = self.origin_date
        inside = (origins >= np.datetime64(first)) & (origins <= np.datetime64(last))
        rows = np.flatnonzero(inside & np.isfinite(self.realised).all(axis=(1, 2)))
        if not len(rows):
            raise DataError(
                f"expected origins from {first} to {last} that {', '.join(self.tickers)} share, "
                "every target realised, got none",
                Reason.NOT_ENOUGH_HISTORY,
            )
        return rows

    def learn_template(self, row: int) -> Template:
        """Return what was known at an origin of the outcomes of those before it, the newest."""
        rows = slice(max(0, row - (N_SCENARIOS + len(STEPS) - 1)), row)
        known = self.at[rows, None] + STEPS <= self.at[row]
        levels = np.where(known[:, None, :], self.levels[rows], np.nan)
        return Template(self.tickers, self.origin_date[rows], levels)


def _select(session: Sessions, values: Floats, wanted: Sessions) -> Floats:
    return values[np.searchsorted(session, wanted)]
