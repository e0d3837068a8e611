"""Files that nobody can be sure of: refused with what came, what is nearest and what to do."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from pipeline.adapters.bar_folder.folder_bars import FolderBars
from pipeline.errors import Reason
from pipeline.ports import Reading

FIRST, LAST = date(1990, 1, 1), date(2030, 1, 1)
PLAIN = "Date,Open,High,Low,Close"
ROW = "2024-12-27,1,2,1,1.5"
BULK = "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>"
MANY = (
    "Price,Close,Close,High,High,Low,Low,Open,Open",
    "Ticker,QQQ,BRK-B,QQQ,BRK-B,QQQ,BRK-B,QQQ,BRK-B",
    "Date,,,,,,,,",
    "2024-12-26,,4,,5,,3,,4",
    "2024-12-27,1,4,2,5,1,3,1,4",
)


def write(folder: Path, *lines: str, name: str = "SPY.csv") -> None:
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


def read(folder: Path, *tickers: str) -> Reading:
    return FolderBars(folder).read(tickers or ["SPY"], FIRST, LAST)


def refusal(folder: Path, ticker: str = "SPY") -> tuple[Reason, str]:
    error = read(folder, ticker).failures[ticker]
    return error.reason, str(error)


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (
            "Date,Close/Last,Volume,Open,High",
            ("missing low; got Date, Close/Last, Volume, Open, High", "nearest is the Nasdaq.com"),
        ),
        ("Datum;Erster;Hoch;Tief;Stuecke", ("missing schlusskurs", "nearest is the Ariva export")),
        ("Date,Price,Open,High,Low,Vol.", ("missing", "nearest is the", "docs/bars.md")),
        ("a\tb\tc", ("missing Date, Open, High, Low, Close; got a, b, c",)),
        ("My bars\n\nDate,Open,High,Close", ("missing Low; got Date, Open, High, Close",)),
        ("Date,Value", ("missing Open, High, Low, Close; got Date, Value",)),
        (",".join(f"c{at}" for at in range(99)), ("c29 and 69 more",)),
    ],
)
def test_a_file_that_fits_no_dialect_says_what_came_and_what_is_nearest(
    tmp_path: Path, header: str, words: tuple[str, ...]
) -> None:
    write(tmp_path, header, ROW)
    reason, said = refusal(tmp_path)
    assert reason is Reason.UNREADABLE
    assert all(word in said for word in words), said


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ((PLAIN, "1/2/2024,1,2,1,1", "1/3/2024,1,2,1,1"), "2024-01-02 as M/D/YYYY and 2024-02-01"),
        (("Date;Open;High;Low;Close", "2024-12-27;1,234;1,3;1,2;1,2"), None),
        (
            ("Date;Open;High;Low;Close", "2024-12-27;1,234;1,300;1,200;1,250"),
            "may be 1234 or 1.234",
        ),
        ((BULK, "SPY.US,5,20241227,153000,1,2,1,1,7,0"), "line 2: expected daily bars, D, got '5'"),
        (
            ("Price,Open,High,Low,Close", "Ticker,A,A,B,B", "Date,,,,", "2024-12-27,1,1,1,1"),
            "missing Date; got Price, Open, High, Low, Close; nearest",
        ),
        ((PLAIN, ROW, "2024-12-"), "line 3: expected 5 fields, got 1"),
        ((PLAIN, ROW, "2024-12-30,1"), "line 3: expected 5 fields, got 2"),
        ((PLAIN, ROW, "note in the middle", ROW), "line 3: expected 5 fields, got 1"),
        ((PLAIN, "no bars at all"), "line 2: expected 5 fields, got 1"),
        ((PLAIN, ROW, *["a note"] * 60), "line 3: expected 5 fields, got 1"),
        (
            (PLAIN, '2024-12-26,1,2,1,"1\n"', "", "2024-12-27,1,2,x,1"),
            "line 5, Low: expected a num",
        ),
        ((PLAIN, ROW, f"{PLAIN},Volume", ROW), "line 3: expected 5 fields, got 6"),
    ],
)
def test_what_nobody_can_be_sure_of_is_refused(
    tmp_path: Path, lines: tuple[str, ...], words: str | None
) -> None:
    write(tmp_path, *lines)
    if words is None:
        assert not read(tmp_path).failures
        return
    reason, said = refusal(tmp_path)
    assert (reason, words in said) == (Reason.UNREADABLE, True), said


def test_a_file_of_another_ticker_is_not_taken_for_this_one(tmp_path: Path) -> None:
    write(tmp_path, BULK, "QQQ.US,D,20241227,000000,1,2,1,1,7,0")
    reason, said = refusal(tmp_path)
    assert reason is Reason.WRONG_INSTRUMENT
    assert said == "SPY.csv: expected bars of SPY, got those of QQQ.US"


def test_a_file_of_many_has_each_of_its_tickers(tmp_path: Path) -> None:
    write(tmp_path, *MANY, name="download.csv")
    reading = read(tmp_path, "QQQ", "BRK-B", "SPY")
    assert reading.bars["BRK-B"].close.tolist() == [4, 4]
    assert reading.bars["QQQ"].session.tolist() == [date(2024, 12, 27)]  # listed a day later
    assert reading.failures["SPY"].reason is Reason.UNKNOWN_TICKER
    assert FolderBars(tmp_path).list_tickers() == ["BRK-B", "QQQ"]


def test_rows_of_many_tickers_are_each_its_own(tmp_path: Path) -> None:
    rows = (f"{t},D,20241227,000000,1,2,1,{close},7,0" for t, close in (("SPY.US", 1), ("Q.US", 2)))
    write(tmp_path, BULK, *rows, name="bulk.csv")
    reading = read(tmp_path, "SPY", "Q")
    assert [float(reading.bars[ticker].close[0]) for ticker in ("SPY", "Q")] == [1, 2]


def test_a_ticker_s_own_file_goes_before_one_of_many(tmp_path: Path) -> None:
    write(tmp_path, *MANY, name="download.csv")
    write(tmp_path, PLAIN, ROW, name="QQQ.csv")
    assert read(tmp_path, "QQQ").bars["QQQ"].close.tolist() == [1.5]


def test_two_files_of_many_are_none(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        write(tmp_path, *MANY, name=name)
    reason, said = refusal(tmp_path, "QQQ")
    assert (reason, "expected one file, got a.csv and b.csv" in said) == (Reason.UNREADABLE, True)


def test_a_header_of_thousands_of_tickers_is_read(tmp_path: Path) -> None:
    tickers = [f"T{at}" for at in range(6000)]
    names = ("Open", "High", "Low", "Close")
    lines = [[top for top in names for _ in tickers], tickers * 4, [""] * 24_000, ["1"] * 24_000]
    heads = ("Price", "Ticker", "Date", "2024-12-27")
    rows = [",".join((head, *line)) for head, line in zip(heads, lines, strict=True)]
    write(tmp_path, *rows, name="all.csv")
    assert read(tmp_path, "T5999").bars["T5999"].open.tolist() == [1]


def test_more_columns_than_any_file_has_are_refused(tmp_path: Path) -> None:
    write(tmp_path, ",".join([PLAIN, *["x"] * 100_000]), ROW)
    assert "expected at most 100000 columns, got 100005" in refusal(tmp_path)[1]


def test_parquet_may_have_other_names_and_come_newest_first(tmp_path: Path) -> None:
    import pandas as pd

    days = pd.to_datetime(["2024-12-27", "2024-12-26"])
    prices = {name: [2.0, 1.0] for name in ("open", "high", "low", "close")}
    pd.DataFrame({"date": days, **prices}).to_parquet(tmp_path / "SPY.parquet")
    reading = read(tmp_path)
    assert reading.bars["SPY"].close.tolist() == [1.0, 2.0]
    assert reading.dialects == {"SPY": "table with lower-case columns, newest first"}


def test_what_is_read_as_ever_is_not_said(tmp_path: Path) -> None:
    write(tmp_path, PLAIN, ROW)
    assert read(tmp_path).dialects == {}
