"""Plausible closes: a close far from all that was forecast counts once it has been seen twice.

A bad print is mended within the hour; a crash is still there. So what a source says newly, the
last close or a past one that came back changed, is compared with the forecasts on the record. What
lies beyond ten of the model's own sigmas waits until a run at least an hour later sees it again.
All of it follows from the vintage and the record before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, NamedTuple

import numpy as np

from pipeline.bars import Bars
from pipeline.columns import Columns, where
from pipeline.errors import Reason
from pipeline.evaluation.score_table import FORECASTER
from pipeline.record.manifest import Mode
from pipeline.record.prior import PriorRecord
from pipeline.record.revisions import CLOSE_TOLERANCE, find_mended, split_factor_since
from pipeline.record.vintage import ReadInfo, Vintage

FAR = 10.0  # sigmas
SEEN_AGAIN = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class _Row:
    """One row of a forecast on the record."""

    origin: np.datetime64
    target: np.datetime64
    horizon: int
    last_close: float
    prediction: float
    sigma: float


class Fit(NamedTuple):
    """The tickers' bars fit for a forecast, and the reason of each withheld ticker."""

    usable: Sequence[Bars]
    withheld: Mapping[str, Reason]


def select_fit(
    vintage: Vintage, expected: Sequence[date], next_session: date, prior: PriorRecord
) -> Fit:
    """Return which tickers of a vintage are fit for a forecast.

    Parameters
    ----------
    expected : the exchange's sessions up to the origin
    next_session : the one after it
    """
    usable, withheld = vintage.usable(expected, prior.bars)
    if _is_history(vintage.info, next_session):
        return Fit(usable, withheld)
    rows = _index_forecasts(prior.unscored)
    doubted = {
        bars.ticker: Reason.IMPLAUSIBLE_CLOSE
        for bars in usable
        if not all(
            _is_seen(bars, row, vintage.info, prior.seen)
            for row in _find_implausible(bars, rows.get(bars.ticker, ()), prior)
        )
    }
    left = [bars for bars in usable if bars.ticker not in doubted]
    return Fit(left, withheld | doubted)


def _is_history(info: ReadInfo, next_session: date) -> bool:
    """Whether the vintage was read when the next session was over: its closes have stood a day."""
    return info.mode is Mode.AS_OF or info.issued_at.date() > next_session


def _index_forecasts(unscored: Columns | None) -> Mapping[str, list[_Row]]:
    """Return what is forecast of each ticker and not scored yet, newest origin first."""
    if unscored is None:
        return {}
    ours: dict[str, Any] = where(unscored, unscored["model"] == FORECASTER)
    order = np.argsort(ours["origin_date"], kind="stable")[::-1]
    names = ("origin_date", "target_date", "horizon", "last_close", "prediction", "sigma")
    dates = [ours[name][order] for name in names[:2]]
    numbers = [ours[name][order].tolist() for name in names[2:]]
    rows: dict[str, list[_Row]] = {}
    for ticker, *values in zip(ours["ticker"][order].tolist(), *dates, *numbers, strict=True):
        rows.setdefault(ticker, []).append(_Row(*values))
    return rows


def _find_implausible(bars: Bars, rows: Sequence[_Row], prior: PriorRecord) -> Iterable[int]:
    """Yield the rows of the bars whose closes are news and lie too far off."""
    if not rows:
        return
    last = len(bars) - 1
    if _is_far_from_forecast(bars, rows):
        yield last
    before = prior.bars.get(bars.ticker)
    if before is not None:
        sigma = _sigma_of_a_session(rows[0])
        log_close = np.log(bars.close)
        for row in find_mended(bars, before).tolist():
            steps = np.abs(np.diff(log_close[max(row - 1, 0) : row + 2]))
            if (steps > FAR * sigma).any():
                yield row


def _is_far_from_forecast(bars: Bars, rows: Sequence[_Row]) -> bool:
    """Whether the last close lies far from the newest forecast of it that is still to be believed.

    A forecast from a close that the source has mended since says nothing of the close to come.
    Where there is no other, the close is compared with the one before it.
    """
    for row in rows:
        at = int(np.searchsorted(bars.session, row.origin))
        if row.target != bars.session[-1] or bars.session[at] != row.origin:
            continue
        factor = split_factor_since(bars, bars.session[at : at + 1])[0]
        if abs(bars.close[at] * factor / row.last_close - 1.0) <= CLOSE_TOLERANCE:
            off = abs(np.log(bars.close[-1] * factor / row.prediction))
            return bool(off > FAR * row.sigma)
    # None is to be believed: the close before is the median that persistence would have said.
    return bool(abs(np.log(bars.close[-1] / bars.close[-2])) > FAR * _sigma_of_a_session(rows[0]))


def _sigma_of_a_session(row: _Row) -> float:
    return float(row.sigma / row.horizon**0.5)


def _is_seen(bars: Bars, row: int, info: ReadInfo, seen: Sequence[Vintage]) -> bool:
    """Whether an earlier part of the session, an hour ago or more, read the same close."""
    for vintage in seen:
        before = vintage.bars.get(bars.ticker)
        if before is None or vintage.info.issued_at + SEEN_AGAIN > info.issued_at:
            continue
        closes = before.close[before.session == bars.session[row]]
        if (np.abs(closes / bars.close[row] - 1.0) <= CLOSE_TOLERANCE).any():
            return True
    return False
