"""Reasons in words: what each means, and a source that remembers what it said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from pipeline.errors import DataError, Reason
from pipeline.ports import BarSource, Reading
from pipeline.vintage import fit_for_forecast

MEANINGS: Mapping[str, str] = {
    Reason.SOURCE_UNAVAILABLE: "the source gave no bars; run again later",
    Reason.UNKNOWN_TICKER: "the source does not know the ticker",
    Reason.UNREADABLE: "what the source gave cannot be read",
    Reason.NO_BARS: "the source has no bars of these sessions",
    Reason.STALE: "the newest bar is older than the session",
    Reason.MISSING_SESSION: "a bar is missing although the exchange was open",
    Reason.UNEXPECTED_SESSION: "a bar came of a day on which the exchange was closed",
    Reason.UNORDERED_SESSIONS: "the bars are not in the order of their sessions",
    Reason.DUPLICATE_SESSION: "a session came twice",
    Reason.LAST_BAR_NAN: "the newest bar has a hole",
    Reason.BAR_NAN: "a bar has a hole",
    Reason.NON_POSITIVE_PRICE: "a price is zero or negative",
    Reason.INCONSISTENT_OHLC: "a price lies outside its bar's low to high",
    Reason.PRICE_JUMP: "the close jumps like a split that was not adjusted",
    Reason.NOT_ENOUGH_HISTORY: "too few bars for one window",
    Reason.NON_FINITE_OUTPUT: "the model answered no finite number",
}


class RememberingSource:
    """A BarSource that remembers its last reading, to say more of a failure than its reason."""

    def __init__(self, source: BarSource) -> None:
        self.label = source.label
        self._source = source
        self._reading = Reading({})

    def read(self, tickers: Sequence[str], first: date, last: date) -> Reading:
        """Return what the source reads."""
        self._reading = self._source.read(tickers, first, last)
        return self._reading

    def explain(self, ticker: str, reason: str, expected: Sequence[date]) -> str:
        """Return why `ticker` is withheld: the error's own words if it is of the last reading.

        Parameters
        ----------
        expected : the exchange's sessions up to the origin
        """
        error = self._reading.failures.get(ticker)
        if ticker in self._reading.bars:
            try:
                fit_for_forecast(self._reading.bars[ticker], expected)
            except DataError as exc:
                error = exc
        words = str(error) if error is not None and error.reason == reason else MEANINGS[reason]
        return words
