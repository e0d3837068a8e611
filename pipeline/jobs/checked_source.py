"""Checked source: a source whose readings have, beside the bars, what another source closed at."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from pipeline.errors import ForecasterError
from pipeline.ports import BarSource, Reading
from pipeline.record.second_source import find_close

UNKNOWN = "which cannot be read"


@dataclass(frozen=True, slots=True)
class CheckedSource:
    """A BarSource; of `tickers` the closes of a reading's last session are asked of `second` too.

    A second source that cannot be read has no closes: it withholds nothing.
    """

    source: BarSource
    second: BarSource
    tickers: Collection[str]

    @property
    def label(self) -> str:
        """Name of the source, not of the second one."""
        return self.source.label

    def read(self, tickers: Sequence[str], first: date, last: date) -> Reading:
        """Return what the source reads, and the closes of `last` by the second one."""
        reading = self.source.read(tickers, first, last)
        checked = [
            ticker for ticker in tickers if ticker in self.tickers and ticker in reading.bars
        ]
        label, closes = self._read_closes(checked, last)
        return replace(reading, second_source=label, second_closes=closes)

    def _read_closes(
        self, tickers: Sequence[str], session: date
    ) -> tuple[str, Mapping[str, float]]:
        try:
            label = self.second.label
            bars = self.second.read(tickers, session, session).bars if tickers else {}
        except ForecasterError:  # No word of the second source may stop the first.
            return UNKNOWN, {}
        closes = {ticker: find_close(bars[ticker], session) for ticker in tickers if ticker in bars}
        return label, {ticker: close for ticker, close in closes.items() if close is not None}
