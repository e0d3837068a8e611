"""Reasons in words: what each means, and a source that remembers what it said.

It also stops a run at a ticker that nobody knows, before anything of it is recorded: what was never
on the record and is not known to the source is a slip of the keyboard.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date

from pipeline.cli.plain import name_few
from pipeline.errors import DataError, Reason, RequestError, StoreError
from pipeline.ports import BarSource, ObjectStore, Reading
from pipeline.record.chain import find_head
from pipeline.record.forecast_bars import select_forecast_bars
from pipeline.record.second_source import check_second_close
from pipeline.record.state import read_state
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
    """A BarSource that remembers its last reading: an error says more than its reason.

    `required` are the tickers of a run on `store`; those that are only read beside them may be
    unknown.
    """

    def __init__(self, source: BarSource, required: Collection[str], store: ObjectStore) -> None:
        self.label = source.label
        self._source, self._required, self._store = source, required, store
        self._reading = Reading({})

    def read(self, tickers: Sequence[str], first: date, last: date) -> Reading:
        """Return what the source reads.

        Raises
        ------
        RequestError
            When it does not know a required ticker that was never on the record.
        """
        self._reading = self._source.read(tickers, first, last)
        unknown = [
            ticker
            for ticker, failure in self._reading.failures.items()
            if ticker in self._required and failure.reason is Reason.UNKNOWN_TICKER
        ]
        if unknown and (typos := sorted(set(unknown) - _read_recorded_tickers(self._store))):
            said = "; ".join(str(self._reading.failures[ticker]) for ticker in typos[:3])
            raise RequestError(
                f"expected tickers that {self.label} knows, got {name_few(typos, 10)}, never on "
                f"the record, so nothing was recorded: {said}"
            )
        return self._reading

    def find_problems(
        self,
        tickers: Sequence[str],
        expected: Sequence[date] | None = None,
        reason: Reason | None = None,
    ) -> dict[str, Withheld]:
        """Return tickers that the last reading gave no bars of, or none fit for `expected`.

        With a `reason`, only those of this one.
        """
        errors = {ticker: self._error(ticker, expected) for ticker in tickers}
        return {
            ticker: Withheld(error.reason, str(error))
            for ticker, error in errors.items()
            if error and reason in (None, error.reason)
        }

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

    def _error(self, ticker: str, expected: Sequence[date] | None) -> DataError | None:
        if expected and ticker in self._reading.bars:
            try:
                bars = select_forecast_bars(self._reading.bars[ticker], expected)
                check_second_close(bars, self._reading.second_closes.get(ticker))
            except DataError as exc:
                return exc
        return self._reading.failures.get(ticker)


def _read_recorded_tickers(store: ObjectStore) -> set[str]:
    """Return the tickers that the record knows, by its newest manifest and state."""
    head = find_head(store)
    if head is None:
        return set()
    known = set(head.manifest.tickers)
    with suppress(StoreError):  # a damaged state is the run's to mend or to report
        state = read_state(store, head.manifest)
        known |= state.log_gains.keys() | state.withheld.keys()
    return known
