"""The commands that show what is published and fetch bars."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.adapters.bar_folder.folder_bars import FolderBars
from pipeline.bars import COLUMNS
from pipeline.jobs.fetch import to_csv
from tests.support.builders import raw_bars
from tests.support.commands import ALL_TIME, BEFORE, SESSION, Forecaster, assert_refused


def test_show_prints_what_the_newest_run_printed(forecaster: Forecaster) -> None:
    args = ("run", "--bars", "simulated", "--as-of")
    assert forecaster(*args, BEFORE).code == 0
    newest = forecaster(*args, SESSION)
    shown = forecaster("show")
    said = newest.out.removesuffix("Published just now.\n")
    old = "Old: 5 or more sessions are over since. No newer forecast is published.\n"
    assert shown.out == f"{said}{old}Page      store/index.html\n"
    assert SESSION in Path("store/index.html").read_text()
    document = forecaster("show", "--json").document
    assert document["session"] == SESSION
    assert len(document["forecasts"]) == 20


def test_a_session_behind_the_newest_is_refused_by_name(forecaster: Forecaster) -> None:
    args = ("run", "--bars", "simulated", "--as-of")
    assert forecaster(*args, SESSION).code == 0
    assert_refused(forecaster(*args, BEFORE), 1, f"{BEFORE}: expected no later session")


@pytest.mark.parametrize("store", ["nowhere", "empty"])
def test_show_says_that_nothing_is_published_yet(forecaster: Forecaster, store: str) -> None:
    Path("empty").mkdir()
    assert_refused(
        forecaster("show", "--store", store), 1, f"in {store}, found none", "forecaster run"
    )


# fetch


def test_fetched_bars_read_back_bit_for_bit(forecaster: Forecaster) -> None:
    hole, dividend, split = raw_bars("SPY").open, np.zeros(200), np.zeros(200)
    hole[7], dividend[10], split[20] = np.nan, 1.966, 1.5
    bars = raw_bars("SPY", open=hole, dividend=dividend, split=split)
    Path("bars").mkdir()
    Path("bars/SPY.csv").write_bytes(to_csv(bars))
    args = ("--out", "copy", "--tickers", "spy", "--from", "1990-01-02")
    assert forecaster("fetch", "--bars", "bars", *args).code == 0
    copy = FolderBars(Path("copy")).read(["SPY"], *ALL_TIME).bars["SPY"]
    np.testing.assert_array_equal(copy.session, bars.session)
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(copy, name), getattr(bars, name), err_msg=name)
    assert sorted(path.name for path in Path("copy").iterdir()) == ["SPY.csv", "origin.txt"]


def test_bars_are_written_as_yahoo_exports_them(bars: Path) -> None:
    lines = (bars / "SPY.csv").read_text().splitlines()
    assert lines[0] == "Date,Open,High,Low,Close,Volume,Dividends,Stock Splits"
    assert len(lines) == 1 + 320
    assert lines[-1].startswith(f"{SESSION},")


def test_a_run_on_fetched_bars_forecasts_as_on_their_source(
    forecaster: Forecaster, bars: Path
) -> None:
    args = ("--as-of", SESSION, "--json")
    made = forecaster("run", "--bars", "simulated", "--store", "a", *args).document["forecasts"]
    copy = forecaster("run", "--bars", bars, "--store", "b", *args).document["forecasts"]
    assert [row["upper_95"] for row in copy] == [row["upper_95"] for row in made]


def test_fetch_replaces_no_bars_unless_told_to(forecaster: Forecaster) -> None:
    Path("out").mkdir()
    Path("out/SPY.csv").write_text("years of real bars")
    args = ("fetch", "--bars", "simulated", "--out", "out", "--to", SESSION)
    assert_refused(forecaster(*args), 1, "expected a folder without SPY.csv", "--force")
    assert Path("out/SPY.csv").read_text() == "years of real bars"
    assert [path.name for path in Path("out").iterdir()] == ["SPY.csv"]
    assert forecaster(*args, "--force").code == 0


def test_simulated_bars_stay_simulated_in_a_folder(forecaster: Forecaster, bars: Path) -> None:
    answer = forecaster("run", "--bars", bars, "--as-of", SESSION)
    assert answer.out.startswith("SIMULATED, NOT REAL: simulated market (not real prices)\n")


def test_another_source_does_not_complete_a_session(forecaster: Forecaster, bars: Path) -> None:
    (bars / "IWM.csv").write_text("half a fi")
    (bars / "origin.txt").write_text("a friend")
    assert forecaster("run", "--bars", bars, "--as-of", SESSION).code == 1
    answer = forecaster("run", "--bars", "simulated", "--as-of", SESSION)
    assert_refused(answer, 1, "to go on with the record", "another source needs another store")


def test_forecasts_changed_after_publication_are_not_shown(forecaster: Forecaster) -> None:
    assert forecaster("run", "--bars", "simulated", "--as-of", SESSION).code == 0
    (path,) = Path("store/forecasts").rglob("*.parquet")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert_refused(forecaster("show"), 1, f"{path}: expected sha256", "changed after")


def test_a_damaged_latest_view_is_made_again(forecaster: Forecaster) -> None:
    args = ("run", "--bars", "simulated", "--as-of", SESSION)
    assert forecaster(*args).code == 0
    view = Path("store/latest.json").read_bytes()
    Path("store/latest.json").write_text("{")
    assert forecaster(*args).code == 0
    assert Path("store/latest.json").read_bytes() == view


def test_a_ticker_that_fails_leaves_the_others_written_and_its_old_file_alone(
    forecaster: Forecaster,
) -> None:
    Path("out").mkdir()
    Path("out/NOPE.csv").write_text("kept")
    args = ("--bars", "simulated", "--out", "out", "--tickers", "SPY,NOPE", "--to", SESSION)
    args = (*args, "--force")
    answer = forecaster("fetch", *args)
    assert answer.code == 1
    assert f"SPY     2024-03-20  {SESSION}   320" in answer.out
    assert "NOPE         unknown_ticker" in answer.out
    assert "got none of NOPE (unknown_ticker)" in answer.err
    assert sorted(p.name for p in Path("out").iterdir()) == ["NOPE.csv", "SPY.csv", "origin.txt"]
    assert Path("out/NOPE.csv").read_text() == "kept"
    document = forecaster("fetch", *args, "--json").document
    assert document["written"] == {"SPY": {"bars": 320, "first": "2024-03-20", "last": SESSION}}
    assert document["failed"]["NOPE"]["reason"] == "unknown_ticker"


def test_a_ticker_without_bars_in_the_span_is_named(forecaster: Forecaster, bars: Path) -> None:
    answer = forecaster("fetch", "--bars", bars, "--out", "o", "--to", "2020-06-30", "--json")
    assert answer.code == 1
    assert answer.document["failed"]["SPY"]["reason"] == "no_bars"
    assert list(Path("o").iterdir()) == []
