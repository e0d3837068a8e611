"""A source that is checked by another: what is asked of that, and that it stops nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import pytest

from pipeline.errors import ConfigError, SourceUnavailable, StoreError
from pipeline.jobs.checked_source import UNKNOWN, CheckedSource
from pipeline.ports import Reading
from tests.support.builders import raw_bars, weekdays

FIRST, LAST = date(2024, 1, 1), date(2024, 12, 27)
SESSIONS = weekdays(5, "2024-12-27")


class Source:
    """Gives bars of all tickers but some, and notes what it was asked."""

    def __init__(self, label: str, *lacking: str, error: Exception | None = None) -> None:
        self._label, self._lacking, self._error = label, lacking, error
        self.asked: list[tuple[tuple[str, ...], date, date]] = []

    @property
    def label(self) -> str:
        if self._error:
            raise self._error
        return self._label

    def read(self, tickers: Sequence[str], first: date, last: date) -> Reading:
        self.asked.append((tuple(tickers), first, last))
        known = {t: raw_bars(t, 5, session=SESSIONS) for t in tickers if t not in self._lacking}
        failures = {t: SourceUnavailable(t) for t in tickers if t in self._lacking}
        return Reading(known, failures, {"SPY": "a layout"}, {"SPY": "USD"})


def test_the_last_closes_of_the_tickers_are_asked_of_the_second_source() -> None:
    first, second = Source("Yahoo Finance", "DIA"), Source("Stooq", "IWM")
    checked = CheckedSource(first, second, ("SPY", "DIA", "IWM"))
    reading = checked.read(("SPY", "DIA", "IWM", "^VIX"), FIRST, LAST)
    assert checked.label == "Yahoo Finance"
    assert first.asked == [(("SPY", "DIA", "IWM", "^VIX"), FIRST, LAST)]
    # What the first has no bars of is not asked, nor is what no forecast is made of.
    assert second.asked == [(("SPY", "IWM"), LAST, LAST)]
    assert reading.second_source == "Stooq"
    assert reading.second_closes == {"SPY": raw_bars("SPY", 5, session=SESSIONS).close[-1]}
    assert {*reading.bars} == {"SPY", "IWM", "^VIX"}
    assert ({*reading.failures}, reading.currencies) == ({"DIA"}, {"SPY": "USD"})


@pytest.mark.parametrize("error", [ConfigError("no label"), StoreError("no bucket")])
def test_a_second_source_that_cannot_be_read_has_no_closes(error: Exception) -> None:
    reading = CheckedSource(Source("A"), Source("B", error=error), ("SPY",)).read(
        ("SPY",), FIRST, LAST
    )
    assert (reading.second_source, reading.second_closes) == (UNKNOWN, {})
    assert {*reading.bars} == {"SPY"}


def test_an_unknown_error_of_the_second_source_is_not_hidden() -> None:
    checked = CheckedSource(Source("A"), Source("B", error=KeyError("a bug")), ("SPY",))
    with pytest.raises(KeyError):
        checked.read(("SPY",), FIRST, LAST)
