"""What a second source's closes mean: agreement within .2 % of the last close, or a reason."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from pipeline.errors import InvalidBars, Reason
from pipeline.record.notes import NoteCode
from pipeline.record.second_source import check_second_close, find_close, note_second_source
from tests.support.builders import raw_bars

CLOSES = {"close": np.full(5, 500.0)}


@pytest.mark.parametrize("other", [None, 500.0, 501.0, 499.0])
def test_a_close_within_a_fifth_of_a_percent_agrees(other: float | None) -> None:
    check_second_close(raw_bars(n=5, **CLOSES), other)


@pytest.mark.parametrize("other", [501.01, 498.99, 50_000.0, 0.01])
def test_another_close_is_a_reason_and_both_are_said(other: float) -> None:
    with pytest.raises(InvalidBars, match=r"within \.2 %, got 500\.00 and ") as raised:
        check_second_close(raw_bars(n=5, **CLOSES), other)
    assert raised.value.reason is Reason.SOURCES_DISAGREE


def test_only_the_last_close_counts() -> None:
    """The other source may be adjusted otherwise, or not at all."""
    closes = np.array([5.0, 50.0, 100.0, 499.0, 500.0])
    check_second_close(raw_bars(n=5, close=closes), 500.5)


@pytest.mark.parametrize(
    ("closes", "expected"),
    [
        ([1.0, 2.0], 2.0),
        ([2.0, np.nan], 2.0),
        ([np.nan, np.nan], None),
        ([0.0, -1.0], None),
        ([np.inf, np.nan], None),
    ],
)
def test_a_close_is_the_last_price_of_the_session(
    closes: list[float], expected: float | None
) -> None:
    """A source may have the live bar beside the closed one, or a bar with a hole."""
    session = np.array(["2024-12-27", "2024-12-27"], "datetime64[D]")
    bars = raw_bars(n=2, session=session, close=np.array(closes))
    assert find_close(bars, date(2024, 12, 27)) == expected
    assert find_close(bars, date(2024, 12, 26)) is None


def test_notes_say_both_closes_and_what_was_not_checked() -> None:
    bars = {name: raw_bars(name, n=5, **CLOSES) for name in ("SPY", "QQQ", "DIA", "IWM")}
    tickers = {"SPY": "", "QQQ": Reason.SOURCES_DISAGREE, "DIA": "", "IWM": "", "EFA": "no_bars"}
    closes = {"SPY": 500.0, "QQQ": 5.0}
    notes = [*note_second_source("Stooq", closes, bars, tickers)]
    assert [(note.code, note.tickers) for note in notes] == [
        (NoteCode.SOURCES_DISAGREE, ("QQQ",)),
        (NoteCode.NOT_CHECKED, ("DIA", "IWM")),
    ]
    assert notes[0].message == "the last close is 500.00, and 5.00 by the second source, Stooq"
    assert [*note_second_source(None, {}, bars, tickers)] == []
