"""`forecaster check`: what files of bars are, what is in them, and what a run would say."""

from __future__ import annotations

import json
import shutil
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pytest

from pipeline.adapters.bar_folder.folder_bars import FolderBars
from pipeline.bars import COLUMNS
from pipeline.cli import console, options
from pipeline.jobs.fetch import to_csv
from tests.support.builders import raw_bars
from tests.support.commands import SESSION, TICKERS, Clock, Forecaster, assert_refused
from tests.support.dialects import write_marketwatch

pytestmark = pytest.mark.usefixtures("evening")
EVER = (date(1700, 1, 1), date(2199, 12, 31))


@pytest.fixture
def evening(clock: Clock) -> None:
    """It is the evening of SESSION in New York: the exchange has closed."""
    clock(datetime(2025, 6, 30, 20, tzinfo=options.NEW_YORK))


def test_good_files_are_usable(forecaster: Forecaster, bars: Path) -> None:
    answer = forecaster("check", "--bars", bars)
    assert (answer.code, answer.err) == (0, "")
    for ticker in TICKERS:
        assert f" {ticker}     2024-03-20  {SESSION}  ok" in answer.out
    assert "as Yahoo exports it" in answer.out
    assert "5 of 5 usable from their last bar" in answer.out


def test_what_is_wrong_with_a_file_is_said_and_exits_1(forecaster: Forecaster, bars: Path) -> None:
    lines = (bars / "SPY.csv").read_text().splitlines()
    (bars / "SPY.csv").write_text("\n".join(lines[:-3] + lines[-2:]) + "\n")
    (bars / "QQQ.csv").write_text("Date,Open,High,Low\n2025-06-30,1,1,1\n")
    answer = forecaster("check", "--bars", bars)
    assert answer.code == 1
    assert "1 sessions without a bar: 2025-06-26" in answer.out
    assert "missing_session" in answer.out
    assert "missing Close; got Date, Open, High, Low" in " ".join(answer.out.split())
    assert "all 5 tickers, which 2 have not: QQQ (unreadable), SPY (missing" in answer.err


def test_bars_of_the_past_are_usable_and_stale_today(forecaster: Forecaster, bars: Path) -> None:
    for path in bars.glob("*.csv"):
        path.write_text("\n".join(path.read_text().splitlines()[:-10]) + "\n")
    answer = forecaster("check", "--bars", bars, "--json")
    assert answer.code == 0
    spy = answer.document["tickers"]["SPY"]
    assert (spy["run_from_last_bar"], spy["run_today"]) == ("ok", "withheld:stale")
    text = forecaster("check", "--bars", bars).out
    assert f"5 of these not from {SESSION}" in text


def test_json_names_every_finding(forecaster: Forecaster, bars: Path) -> None:
    document = forecaster("check", "--bars", bars, "--tickers", "spy", "--json").document
    assert list(document["tickers"]) == ["SPY"]
    spy = document["tickers"]["SPY"]
    assert (spy["usable"], spy["bars"], spy["missing"], spy["jumps"]) == (True, 320, [], [])
    assert spy["adjusted_for_dividends"] in ("no", "not to be seen")
    assert (document["session"], document["written"]) == (SESSION, [])


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_clean_files_read_back_to_equal_bars(
    forecaster: Forecaster, bars: Path, suffix: str
) -> None:
    raw = FolderBars(bars).read(["SPY"], *EVER).bars["SPY"]
    rounded = {name: getattr(raw, name).round(2) for name in ("open", "high", "low", "close")}
    odd = raw_bars("SPY", len(raw), session=raw.session, **rounded, volume=raw.volume.round(-4))
    (bars / "SPY.csv").write_text(write_marketwatch(odd, 2))
    (bars / "origin.txt").write_text("a friend\n")
    answer = forecaster("check", "--bars", bars, "--out", "clean", "--format", suffix)
    assert answer.code == 0
    said = " ".join(answer.out.split())
    assert "MarketWatch, WSJ or Excel export, M/D/YYYY, commas between thousands, newest" in said
    assert "Written   5 files to clean" in answer.out
    assert Path("clean/origin.txt").read_text() == "a friend\n"
    back = FolderBars(Path("clean")).read(["SPY", "^VIX"], *EVER)
    assert not back.dialects
    for ticker, expected in FolderBars(bars).read(["SPY", "^VIX"], *EVER).bars.items():
        np.testing.assert_array_equal(back.bars[ticker].session, expected.session)
        for name in COLUMNS:
            np.testing.assert_array_equal(getattr(back.bars[ticker], name), getattr(expected, name))


def test_nothing_is_overwritten(forecaster: Forecaster, bars: Path) -> None:
    Path("clean").mkdir()
    Path("clean/SPY.csv").write_text("years of work")
    answer = forecaster("check", "--bars", bars, "--out", "clean")
    assert_refused(answer, 1, "expected a folder without SPY.csv", "name another one")
    assert [path.name for path in Path("clean").iterdir()] == ["SPY.csv"]
    assert_refused(forecaster("check", "--bars", bars, "--out", bars), 2, "another folder than")


def test_a_file_that_is_not_named_for_its_ticker_is_to_be_renamed(
    forecaster: Forecaster, bars: Path
) -> None:
    shutil.move(bars / "SPY.csv", bars / "SPY Historical Data.csv")
    answer = forecaster("check", "--bars", bars)
    assert answer.code == 1
    said = " ".join(answer.out.split())
    assert "expected a file that is named for its ticker, like SPY.csv; rename it" in said


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ("check --bars simulated", "--tickers: expected some for --bars simulated"),
        ("check --bars empty", "expected a folder of CSV or Parquet files, got none in empty"),
        ("check --bars nowhere", "or s3://bucket/prefix, got 'nowhere'"),
        ("check --bars empty --format xml", "'xml' is not one of"),
    ],
)
def test_wrong_use_exits_2(forecaster: Forecaster, args: str, words: str) -> None:
    Path("empty").mkdir()
    assert_refused(forecaster(*args.split()), 2, words)


def test_another_source_is_checked_by_its_tickers(forecaster: Forecaster) -> None:
    document = forecaster(
        *("check", "--bars", "simulated", "--tickers", "SPY", "--as-of", "2025-06-27", "--json")
    ).document
    assert document["tickers"]["SPY"]["usable"] is True
    assert document["session"] == "2025-06-27"


def test_many_files_are_summed_up(forecaster: Forecaster, bars: Path) -> None:
    for at in range(30):
        shutil.copy(bars / "SPY.csv", bars / f"T{at}.csv")
    (bars / "T7.csv").write_text("no bars")
    lines = (bars / "T8.csv").read_text().splitlines()
    (bars / "T8.csv").write_text("\n".join(lines[:5] + lines[6:]))
    answer = forecaster("check", "--bars", bars)
    assert "34 of 35 usable" in answer.out
    assert "sessions without a bar" in answer.out
    assert "1 sessions" not in answer.out
    assert "2024-03-20" not in answer.out
    assert "unreadable" in answer.out
    assert "and 28 more" in answer.out


def test_tables_fit_a_narrow_terminal(
    forecaster: Forecaster, bars: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(console, "WIDTH", 80)
    (bars / "SPY.csv").write_bytes(to_csv(raw_bars("SPY", 40)))
    (bars / "QQQ.csv").write_text("Date,Open,High,Low\n2025-06-30,1,1,1\n")
    (bars / "BRK-B-LONG-NAME.csv").write_text((bars / "DIA.csv").read_text() + "2025-06-24,1,1,1,1")
    tables = [line.rstrip() for line in forecaster("check", "--bars", bars).out.splitlines()]
    assert max(map(len, tables)) <= 80


def test_the_json_is_json(forecaster: Forecaster, bars: Path) -> None:
    (bars / "SPY.csv").write_bytes(b"\xff\xfe")
    answer = forecaster("check", "--bars", bars, "--json")
    assert answer.code == 1
    assert "UTF-16" in json.loads(answer.out)["tickers"]["SPY"]["message"]
