"""`forecaster show` of some tickers, and of an earlier session."""

from __future__ import annotations

import pytest

from tests.support.commands import Forecaster, forecast_lines

SPAN = ("--bars", "simulated", "--from", "2025-06-10", "--to", "2025-06-12")


@pytest.fixture
def shown(forecaster: Forecaster) -> Forecaster:
    assert forecaster("backfill", *SPAN).code == 0
    return forecaster


def test_one_ticker_is_five_lines(shown: Forecaster) -> None:
    said = shown("show", "iwm")
    assert said.code == 0, said.err
    assert len(forecast_lines(said.out)) == 5
    assert "SPY" not in said.out
    document = shown("show", "IWM", "QQQ", "--json").document
    assert {row["ticker"] for row in document["forecasts"]} == {"IWM", "QQQ"}


def test_an_earlier_session_is_shown_by_its_day_and_is_not_called_old(shown: Forecaster) -> None:
    said = shown("show", "SPY", "--date", "2025-06-11")
    assert said.code == 0, said.err
    assert "Forecasts from the close of 2025-06-11" in said.out
    assert "Old:" not in said.out
    assert "Old:" in shown("show").out
    document = shown("show", "--date", "2025-06-11", "--json").document
    assert (document["session"], document["stale"]) == ("2025-06-11", False)


def test_a_day_that_is_not_on_the_record_is_refused_with_its_neighbours(shown: Forecaster) -> None:
    said = shown("show", "--date", "2025-06-14")
    assert (said.code, said.out) == (1, "")
    assert "expected a session on the record, the nearest are 2025-06-12" in said.err


def test_a_ticker_that_is_not_on_the_record_is_refused_with_those_that_are(
    shown: Forecaster,
) -> None:
    said = shown("show", "SYP")
    assert (said.code, said.out) == (1, "")
    assert "SYP: expected tickers of 2025-06-12, which are DIA, IWM, QQQ, SPY" in said.err
