"""A second source that must have the same last close: run, record, replay, verify, retry."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.adapters.bar_folder.folder_bars import FolderBars
from pipeline.errors import ConfigError
from tests.support.commands import ALL_TIME, SESSION, TICKERS, ColdStart, Forecaster, digests

RUN = ("run", "--bars", "bars", "--as-of", SESSION)


def write_second(bars: Path, session: str = SESSION, **factors: float) -> None:
    """Write what another source closed at, times a factor, in one file; 0 leaves a ticker out."""
    reading = FolderBars(bars).read(TICKERS, *ALL_TIME)
    rows = []
    for ticker, raw in reading.bars.items():
        close = raw.close[raw.session.astype(str) == SESSION][0] * factors.get(ticker, 1.0)
        if close:
            rows.append(f"{ticker},{session},{close},{close},{close},{close}")
    Path("second.csv").write_text("\n".join(["Ticker,Date,Open,High,Low,Close", *rows]))


def manifest(part: int = 0) -> Any:
    return json.loads(Path(f"store/runs/{SESSION}.{part:02}.json").read_text())


def test_a_ticker_of_which_sources_disagree_is_withheld_until_they_agree(
    forecaster: Forecaster, bars: Path
) -> None:
    write_second(bars, QQQ=1.0021, DIA=0.9985)
    answer = forecaster(*RUN, "--check-bars", "second.csv", "--json")
    assert answer.code == 1
    withheld = answer.document["withheld"]
    assert {*withheld} == {"QQQ"}
    assert withheld["QQQ"]["reason"] == "sources_disagree"
    assert "expected the last close of both sources within .2 %, got" in withheld["QQQ"]["message"]
    assert manifest()["tickers"]["QQQ"] == "withheld:sources_disagree"
    (note,) = (note for note in manifest()["notes"] if note["code"] == "sources_disagree")
    assert note["tickers"] == ["QQQ"]
    assert " by the second source, file" in note["message"]
    for command in (("verify",), ("replay", SESSION)):
        assert forecaster(*command).code == 0
    write_second(bars)
    assert forecaster(*RUN, "--check-bars", "second.csv").code == 0
    assert manifest(1)["tickers"] == {"QQQ": "ok"}
    assert forecaster("verify").code == 0


@pytest.mark.parametrize("session", ["2025-06-27", "2025-07-01"])
def test_a_second_source_without_the_session_checks_nothing_and_that_is_noted(
    forecaster: Forecaster, bars: Path, session: str
) -> None:
    write_second(bars, session, QQQ=3.0)
    assert forecaster(*RUN, "--check-bars", "second.csv").code == 0
    (note,) = (note for note in manifest()["notes"] if note["code"] == "not_checked")
    assert note["tickers"] == list(TICKERS)
    assert "the second source, file, gave no close of the session" in note["message"]


def test_a_ticker_that_the_second_source_lacks_is_published_and_noted(
    forecaster: Forecaster, bars: Path
) -> None:
    write_second(bars, QQQ=0.0)
    assert forecaster(*RUN, "--check-bars", "second.csv").code == 0
    notes = {note["code"]: note["tickers"] for note in manifest()["notes"]}
    assert notes["not_checked"] == ["QQQ"]
    assert "Note: QQQ: the second source" in forecaster("show").out


def test_sources_that_agree_leave_no_trace_but_the_closes(
    forecaster: Forecaster, bars: Path
) -> None:
    write_second(bars)
    assert forecaster(*RUN, "--check-bars", "second.csv").code == 0
    assert forecaster(*RUN, "--store", "plain").code == 0
    assert manifest().get("notes", []) == []
    unchecked = digests(Path("plain/forecasts"))
    assert {*digests(Path("store/calibration")).values()} == {
        *digests(Path("plain/calibration")).values()
    }
    assert len(unchecked) == 1


def test_a_second_source_that_names_nothing_is_a_wrong_setting(forecaster: Forecaster) -> None:
    answer = forecaster(*RUN, "--check-bars", "nowhere")
    assert answer.code == 2
    assert "expected yahoo, simulated" in answer.err


def test_the_daily_function_is_told_its_second_source(cold_start: ColdStart, bars: Path) -> None:
    daily = cold_start(FORECASTER_BARS="simulated", FORECASTER_CHECK_BARS="simulated")
    reading = daily.job.source.read(["SPY"], *ALL_TIME)
    assert reading.second_source == "simulated market (not real prices)"
    daily = cold_start(FORECASTER_BARS="simulated", FORECASTER_CHECK_BARS="none")
    assert daily.settings.check_bars is None
    with pytest.raises(ConfigError, match="FORECASTER_CHECK_BARS: expected yahoo"):
        cold_start(FORECASTER_CHECK_BARS=str(bars / "nowhere"))


def test_a_second_source_that_is_none_is_wrong_use(forecaster: Forecaster) -> None:
    answer = forecaster("run", "--bars", "simulated", "--check-bars", "nowhere")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("error: --check-bars: expected yahoo, simulated, an existing")
    assert not Path("store").exists()


def test_a_newcomer_beside_them_lets_nobody_off(forecaster: Forecaster, bars: Path) -> None:
    """It is read from further back, apart from the others."""
    text = (bars / "QQQ.csv").read_text()
    (bars / "META.csv").write_text(text)
    write_second(bars, SPY=1.01)
    answer = forecaster(*RUN, "--tickers", "SPY,META", "--check-bars", "second.csv")
    assert answer.code == 1
    tickers = {"META": "ok", "SPY": "withheld:sources_disagree"}
    assert manifest()["tickers"] == tickers
