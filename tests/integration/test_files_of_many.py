"""Files that name their tickers: one of many, in a folder, alone, in any layout that is known."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from pipeline.adapters.bar_folder import bar_files
from pipeline.adapters.bar_folder.folder_bars import FolderBars
from pipeline.bars import COLUMNS, RawBars
from pipeline.errors import ConfigError, Reason
from pipeline.ports import Reading
from tests.support.builders import raw_bars

ALL_TIME = (date(1990, 1, 1), date(2100, 1, 1))
TICKERS = ("SPY", "QQQ", "^VIX", "BRK-B")
BARS = {name: raw_bars(name, 40, seed=at) for at, name in enumerate(TICKERS)}


def to_frame(bars: RawBars, **more: object) -> pd.DataFrame:
    columns = ("Open", "High", "Low", "Close", "Volume", "Dividends", "Stock Splits")
    values = {name: getattr(bars, ours) for name, ours in zip(columns, COLUMNS, strict=True)}
    return pd.DataFrame({"Ticker": bars.ticker, "Date": bars.session.astype(str), **values, **more})


def long_frame(**more: object) -> pd.DataFrame:
    """All bars, day by day and not ticker by ticker, as a program that runs daily appends them."""
    frame = pd.concat([to_frame(bars, **more) for bars in BARS.values()])
    return frame.sort_values("Date", kind="stable")


def to_csv(frame: pd.DataFrame, path: Path) -> None:
    frame.to_csv(path, index=False)


def to_parquet(frame: pd.DataFrame, path: Path) -> None:
    dated = frame.assign(Date=pd.to_datetime(frame["Date"]))
    dated.to_parquet(path, index=False, row_group_size=50)


WRITERS = {"all.csv": to_csv, "all.parquet": to_parquet, "all.txt": to_csv}


def read(place: Path, *tickers: str) -> Reading:
    return FolderBars(place).read(tickers or TICKERS, *ALL_TIME)


def assert_all_read(reading: Reading) -> None:
    assert (reading.failures, reading.dialects) == ({}, {})
    for ticker, bars in reading.bars.items():
        assert bars.ticker == ticker
        np.testing.assert_array_equal(bars.session, BARS[ticker].session)
        for name in COLUMNS:
            np.testing.assert_array_equal(getattr(bars, name), getattr(BARS[ticker], name), name)


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("alone", [True, False], ids=["file", "folder"])
def test_a_file_of_many_is_read_alone_and_in_a_folder(
    tmp_path: Path, name: str, alone: bool
) -> None:
    WRITERS[name](long_frame(), tmp_path / name)
    source = FolderBars(tmp_path / name if alone else tmp_path)
    assert source.label == ("file" if alone else "folder")
    assert source.list_tickers() == sorted(TICKERS)
    assert_all_read(source.read(TICKERS, *ALL_TIME))


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("header", ["ticker", "Symbol", "TICKER"])
def test_the_column_has_any_of_its_names_and_stands_anywhere(
    tmp_path: Path, name: str, header: str
) -> None:
    frame = long_frame()
    frame = frame[[*frame.columns[1:], "Ticker"]].rename(columns={"Ticker": header})
    WRITERS[name](frame, tmp_path / name)
    assert_all_read(read(tmp_path))


def test_the_layout_of_others_may_name_tickers_too(tmp_path: Path) -> None:
    rows = [
        f"{ticker};{day}.12.2024;1{price},5;1{price},9;1{price},1;1{price},4"
        for ticker, price in (("SAP", 1), ("BMW", 2))
        for day in (27, 30)
    ]
    text = "\n".join(["Symbol;Datum;Eröffnung;Hoch;Tief;Schluss", *rows])
    (tmp_path / "xetra.csv").write_text(text, encoding="utf-8")
    reading = read(tmp_path, "SAP", "BMW")
    assert reading.bars["SAP"].close.tolist() == [11.4, 11.4]
    assert reading.bars["BMW"].close.tolist() == [12.4, 12.4]
    assert reading.dialects["BMW"].startswith("German table")


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_of_its_own_comes_before_one_of_many(tmp_path: Path, name: str) -> None:
    WRITERS[name](long_frame(), tmp_path / name)
    other = raw_bars("SPY", 5, seed=99)
    to_csv(to_frame(other).drop(columns="Ticker"), tmp_path / "SPY.csv")
    reading = read(tmp_path, "SPY", "QQQ")
    np.testing.assert_array_equal(reading.bars["SPY"].close, other.close)
    np.testing.assert_array_equal(reading.bars["QQQ"].close, BARS["QQQ"].close)


def test_two_files_of_many_that_have_a_ticker_are_none(tmp_path: Path) -> None:
    to_csv(long_frame(), tmp_path / "all.csv")
    to_parquet(to_frame(BARS["SPY"]), tmp_path / "more.parquet")
    failure = read(tmp_path, "SPY").failures["SPY"]
    assert failure.reason is Reason.UNREADABLE
    assert "got all.csv and more.parquet" in str(failure)


@pytest.mark.parametrize("name", WRITERS)
def test_a_ticker_that_is_nowhere_is_unknown_with_near_names(tmp_path: Path, name: str) -> None:
    WRITERS[name](long_frame(), tmp_path / name)
    failure = read(tmp_path / name, "BRK.B").failures["BRK.B"]
    assert failure.reason is Reason.UNKNOWN_TICKER
    assert str(failure).endswith("near names there: BRK-B")


@pytest.mark.parametrize("name", WRITERS)
def test_one_wrong_cell_is_one_ticker_s_and_says_its_row(tmp_path: Path, name: str) -> None:
    frame = long_frame().astype({"Close": str})
    at = int(np.flatnonzero(frame["Ticker"] == "QQQ")[3])
    frame.iloc[at, frame.columns.get_loc("Close")] = "n.a."
    WRITERS[name](frame, tmp_path / name)
    reading = read(tmp_path)
    assert {*reading.failures} == {"QQQ"}
    place = f"row {at}" if name.endswith("parquet") else f"line {at + 2}"
    assert f"{place}, Close: expected a number, got 'n.a.'" in str(reading.failures["QQQ"])


def test_a_line_that_was_cut_off_refuses_the_file_and_a_note_below_does_not(tmp_path: Path) -> None:
    to_csv(long_frame(), tmp_path / "all.csv")
    text = (tmp_path / "all.csv").read_text(encoding="utf-8")
    (tmp_path / "all.csv").write_text(f"{text}Source: a friend\n", encoding="utf-8")
    assert_all_read(Reading(dict(read(tmp_path).bars)))  # the note is said in the dialect
    (tmp_path / "all.csv").write_text(f"{text}SPY,2024-0", encoding="utf-8")
    failures = read(tmp_path / "all.csv").failures
    assert len(failures) == len(TICKERS)
    for failure in failures.values():
        assert failure.reason is Reason.UNREADABLE
        assert "it may be in what cannot be read, all.csv: line " in str(failure)


def test_headers_again_between_the_rows_are_nobody_s(tmp_path: Path) -> None:
    to_csv(long_frame(), tmp_path / "all.csv")
    header, *rows = (tmp_path / "all.csv").read_text(encoding="utf-8").splitlines()
    lines = [header, *rows[:70], header, *rows[70:]]
    (tmp_path / "all.csv").write_text("\n".join(lines), encoding="utf-8")
    assert FolderBars(tmp_path).list_tickers() == sorted(TICKERS)
    assert_all_read(read(tmp_path))


def test_a_note_beside_the_bars_is_no_ticker(tmp_path: Path) -> None:
    to_csv(to_frame(BARS["SPY"]).drop(columns="Ticker"), tmp_path / "SPY.txt")
    (tmp_path / "README.txt").write_text("Ask Bob, he knows the Ticker, Date and all")
    (tmp_path / "origin.txt").write_text("A friend")
    source = FolderBars(tmp_path)
    assert (source.label, source.list_tickers()) == ("A friend", ["SPY"])
    assert_all_read(source.read(["SPY"], *ALL_TIME))


def test_stooq_s_files_are_known_by_what_they_name(tmp_path: Path) -> None:
    header = "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>"
    (tmp_path / "spy.us.txt").write_text(f"{header}\nSPY.US,D,20241227,000000,1,3,1,2,9,0\n")
    assert read(tmp_path, "SPY").bars["SPY"].close.tolist() == [2.0]


@pytest.mark.parametrize("write", [to_csv, to_parquet])
def test_a_file_of_many_is_opened_once_a_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[pd.DataFrame, Path], None]
) -> None:
    name = "all.csv" if write is to_csv else "all.parquet"
    write(long_frame(), tmp_path / name)
    kind = "CsvFile" if write is to_csv else "ParquetFile"
    opened, original = [], getattr(bar_files, kind)

    def count(*args: object) -> object:
        opened.append(1)
        return original(*args)

    monkeypatch.setattr(bar_files, kind, count)
    assert len(read(tmp_path).bars) == len(TICKERS)
    assert len(opened) == 1


def test_of_parquet_only_the_groups_of_rows_that_are_wanted_are_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    to_parquet(long_frame().sort_values("Ticker", kind="stable"), tmp_path / "all.parquet")
    groups, original = [], pq.ParquetFile.read_row_group

    def count(file: pq.ParquetFile, at: int, *args: object, **options: object) -> object:
        groups.append(at)
        return original(file, at, *args, **options)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", count)
    assert_all_read(read(tmp_path, "SPY"))
    assert groups == [1, 2]  # of four: rows 80 to 119 of BRK-B, QQQ, SPY, ^VIX


@pytest.mark.parametrize("name", ["all.csv", "all.parquet"])
def test_a_file_of_many_may_be_longer_than_one_of_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(bar_files, "LARGEST", 500)
    WRITERS[name](long_frame(), tmp_path / name)
    assert_all_read(read(tmp_path))
    monkeypatch.setattr(bar_files, "MOST_OF_MANY", 500)
    monkeypatch.setattr(bar_files, "LARGEST_OF_MANY", 500)
    assert read(tmp_path / name, "SPY").failures["SPY"].reason in (
        Reason.UNREADABLE,
        Reason.UNKNOWN_TICKER,
    )


@pytest.mark.parametrize("name", WRITERS)
def test_a_column_says_in_what_prices_are(tmp_path: Path, name: str) -> None:
    WRITERS[name](long_frame(Currency="GBp"), tmp_path / name)
    assert read(tmp_path).currencies == dict.fromkeys(TICKERS, "GBp")
    frame = long_frame(Currency="GBp").reset_index(drop=True)
    frame.loc[int(np.flatnonzero(frame["Ticker"] == "SPY")[0]), "Currency"] = "EUR"
    WRITERS[name](frame, tmp_path / name)
    assert "Currency: expected one, got EUR, GBp" in str(read(tmp_path).failures["SPY"])


@pytest.mark.parametrize("name", ["all.pdf", "nowhere.csv"])
def test_what_is_no_file_of_bars_is_a_wrong_setting(tmp_path: Path, name: str) -> None:
    (tmp_path / "all.pdf").write_bytes(b"%PDF")
    with pytest.raises(ConfigError, match=f"expected a folder of bars at .*{name}"):
        FolderBars(tmp_path / name)
