"""Panel: bars of several tickers side by side, as features are computed from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.bars import PRICES, Bars, Floats, RawBars, Sessions
from pipeline.errors import InvalidBars, Reason


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """Bars of several tickers side by side, each row ending at its own last session.

    Attributes
    ----------
    session : datetime64[D] (n_tickers, n_sessions)
    open, high, low, close : float64 (n_tickers, n_sessions)
    vix : float64 (n_tickers, n_sessions), close of the Cboe VIX in percent; NaN where missing
    """

    session: Sessions
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    vix: Floats

    @classmethod
    def of(cls, bars: Sequence[Bars], n_sessions: int, vix: RawBars | None = None) -> Panel:
        """Stack the last `n_sessions` of each ticker; raises InvalidBars where there are fewer."""
        for ticker_bars in bars:
            if len(ticker_bars) < n_sessions:
                raise InvalidBars(
                    f"{ticker_bars.ticker}: expected at least {n_sessions} bars, got "
                    f"{len(ticker_bars)}",
                    Reason.NOT_ENOUGH_HISTORY,
                )
        shape = (len(bars), n_sessions)
        session = np.array(
            [ticker_bars.session[-n_sessions:] for ticker_bars in bars], "datetime64[D]"
        )
        session = session.reshape(shape)
        prices = {
            name: np.array([getattr(b, name)[-n_sessions:] for b in bars]).reshape(shape)
            for name in PRICES
        }
        return cls(session=session, **prices, vix=_align_vix(vix, session))


def _align_vix(vix: RawBars | None, session: Sessions) -> Floats:
    """Return the VIX's close at each session, NaN where it has none or no sane one."""
    aligned = np.full(session.shape, np.nan)
    if vix is None or len(vix) == 0:
        return aligned
    order = np.argsort(vix.session, kind="stable")
    at = np.searchsorted(vix.session[order], session).clip(max=len(vix) - 1)
    close = vix.close[order][at]
    known = (vix.session[order][at] == session) & np.isfinite(close) & (close > 0)
    aligned[known] = close[known]
    return aligned
