"""Forecast bars: those that a forecast is made from, once they are found fit for it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import lru_cache

import numpy as np

from pipeline.bars import Bars, RawBars, Sessions
from pipeline.errors import InvalidBars, Reason, StaleBars
from pipeline.forecasting.windows import MIN_SESSIONS
from pipeline.record.revisions import describe_splits, explained_by_splits, find_mended


def select_forecast_bars(raw: RawBars, expected: Sequence[date]) -> Bars:
    """Return the last bars that a window needs, checked against the exchange's sessions.

    Raises
    ------
    StaleBars
        When the newest bar is older than the last expected session.
    InvalidBars
        When there are too few bars, a session is missing or unexpected, or a bar is not valid.
    """
    newest = raw.session.max() if len(raw) else None
    if newest is not None and newest < np.datetime64(expected[-1], "D"):
        raise StaleBars(f"{raw.ticker}: expected a bar of {expected[-1]}, newest is of {newest}")
    bars = _validate(raw.tail(MIN_SESSIONS))
    if len(bars) < MIN_SESSIONS:
        raise InvalidBars(
            f"{bars.ticker}: expected at least {MIN_SESSIONS} bars, got {len(bars)}",
            Reason.NOT_ENOUGH_HISTORY,
        )
    _check_sessions(bars, _as_sessions(tuple(expected[-MIN_SESSIONS:])))
    return bars


def _validate(raw: RawBars) -> Bars:
    """Return validated bars; of a jump the error says which splits the source knows of."""
    try:
        return Bars.validate(raw)
    except InvalidBars as exc:
        if exc.reason is not Reason.PRICE_JUMP:
            raise
        raise InvalidBars(f"{exc}; {describe_splits(raw)}", exc.reason) from exc


@lru_cache(maxsize=1)
def _as_sessions(expected: tuple[date, ...]) -> Sessions:
    """Return sessions as an array, which all tickers of a vintage share."""
    return np.array(expected, "datetime64[D]")


def _check_sessions(bars: Bars, expected: Sessions) -> None:
    if np.array_equal(bars.session, expected):
        return
    missing = np.setdiff1d(expected, bars.session)
    unexpected = np.setdiff1d(bars.session[bars.session >= expected[0]], expected)
    if unexpected.size:
        raise InvalidBars(
            f"{bars.ticker}: the exchange was closed on {unexpected[0]}, yet a bar came",
            Reason.UNEXPECTED_SESSION,
        )
    if missing.size:
        raise InvalidBars(
            f"{bars.ticker}: expected a bar of {missing[0]}, none came", Reason.MISSING_SESSION
        )


def check_revisions(bars: Bars, prior: RawBars | None) -> None:
    """Raise InvalidBars for closes that are not those of the vintage before, but for splits."""
    if prior is None or explained_by_splits(bars, prior):
        return
    if not len(find_mended(bars, prior)):
        raise InvalidBars(
            f"{bars.ticker}: expected the closes of the vintage before, but for splits since, "
            "got others: an adjustment that changed, or a price mended afterwards",
            Reason.UNEXPLAINED_REVISION,
        )
