"""Reasons in words: what each means, and a source that remembers what it said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from pipeline.errors import DataError
from pipeline.ports import BarSource, Reading
from pipeline.record.vintage import select_forecast_bars
from pipeline.views.reasons import MEANINGS


@dataclass(frozen=True, slots=True)
class Withheld:
    """Why a ticker has no forecast: the reason's code, and words for people."""

    reason: str
    message: str

    @classmethod
    def of(cls, reason: str) -> Withheld:
        """Return what is known from the code alone."""
        return cls(reason, MEANINGS[reason])


class RememberingSource:
    """A BarSource that remembers its last reading: an error says more than its reason."""

    def __init__(self, source: BarSource) -> None:
        self.label = source.label
        self._source = source
        self._reading = Reading({})

    def read(self, tickers: Sequence[str], first: date, last: date) -> Reading:
        """Return what the source reads."""
        self._reading = self._source.read(tickers, first, last)
        return self._reading

    def explain(self, withheld: Mapping[str, str], expected: Sequence[date]) -> dict[str, Withheld]:
        """Return tickers withheld in the words of the last reading's errors, where it has them.

        Parameters
        ----------
        withheld : ticker -> reason
        expected : the exchange's sessions up to the origin
        """
        return {t: self._explain(t, reason, expected) for t, reason in withheld.items()}

    def find_end(self, tickers: Sequence[str], session: date) -> date | None:
        """Return the newest session that was read of any ticker, where it is before `session`."""
        newest = self._reading.find_newest(tickers)
        return newest if newest is not None and newest < session else None

    def _explain(self, ticker: str, reason: str, expected: Sequence[date]) -> Withheld:
        error = self._error(ticker, expected)
        # The stored vintage, not this reading, decides; it may be that of an earlier run.
        if error is None or error.reason != reason:
            return Withheld.of(reason)
        return Withheld(reason, str(error))

    def _error(self, ticker: str, expected: Sequence[date]) -> DataError | None:
        if ticker in self._reading.bars:
            try:
                select_forecast_bars(self._reading.bars[ticker], expected)
            except DataError as exc:
                return exc
        return self._reading.failures.get(ticker)
