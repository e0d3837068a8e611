"""Bars read from a folder of CSV and Parquet files."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.adapters.bar_folder.folder_bars import FolderBars
from pipeline.bars import COLUMNS, Bars, RawBars
from pipeline.errors import ConfigError, Reason, SourceUnavailable
from pipeline.ports import BarSource
from tests.support.builders import raw_bars

FIRST, LAST = date(1990, 1, 1), date(2030, 1, 1)
HEADER = "Date,Open,High,Low,Close,Adj Close,Volume"
ROWS = ("2024-12-26,599.5,602.48,598.08,601.34,599.1,41219100", "2024-12-27,597,597,590,595,593,64")


def write(folder: Path, *lines: str, name: str = "SPY.csv", end: str = "\n") -> Path:
    path = folder / name
    path.write_bytes((end.join(lines) + end).encode())
    return path


def read_one(folder: Path, ticker: str = "SPY") -> RawBars:
    reading = FolderBars(folder).read([ticker], FIRST, LAST)
    assert not reading.failures
    return reading.bars[ticker]


def failure(folder: Path, ticker: str = "SPY") -> tuple[str, Reason]:
    reading = FolderBars(folder).read([ticker], FIRST, LAST)
    assert not reading.bars
    error = reading.failures[ticker]
    assert isinstance(error, SourceUnavailable)
    return str(error), error.reason


def frame(bars: RawBars) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "Date": bars.session.astype("datetime64[ns]"),
            "Open": bars.open,
            "High": bars.high,
            "Low": bars.low,
            "Close": bars.close,
            "Volume": bars.volume,
            "Dividends": bars.dividend,
            "Stock Splits": bars.split,
        }
    )


def assert_equal(got: RawBars, expected: RawBars) -> None:
    assert got.ticker == expected.ticker
    np.testing.assert_array_equal(got.session, expected.session)
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(got, name), getattr(expected, name), err_msg=name)


def test_a_yahoo_export_is_read_as_it_stands(tmp_path: Path) -> None:
    write(tmp_path, HEADER, *ROWS)
    bars = read_one(tmp_path)
    assert bars.session.tolist() == [date(2024, 12, 26), date(2024, 12, 27)]
    assert bars.session.dtype == np.dtype("datetime64[D]")
    assert [getattr(bars, name)[0] for name in COLUMNS] == [
        *(599.5, 602.48, 598.08, 601.34),
        *(41219100, 0, 0),
    ]


def test_both_formats_give_back_the_bars_bit_for_bit(tmp_path: Path) -> None:
    dividend, split = np.zeros(50), np.zeros(50)
    dividend[10], split[20] = 1.966, 2.0
    expected = raw_bars("SPY", 50, dividend=dividend, split=split)
    table = frame(expected)
    table.to_csv(tmp_path / "SPY.csv", index=False)
    assert_equal(read_one(tmp_path), expected)
    (tmp_path / "SPY.csv").unlink()
    table.to_parquet(tmp_path / "SPY.parquet")
    assert_equal(read_one(tmp_path), expected)


@pytest.mark.parametrize(
    "dates",
    [
        pytest.param(lambda day: day.tz_localize("America/New_York"), id="local midnights"),
        pytest.param(lambda day: day.tz_localize("Asia/Tokyo"), id="midnights in Tokyo"),
        pytest.param(lambda day: day.astype(str), id="text"),
        pytest.param(lambda day: day.tz_localize("America/New_York").map(str), id="text with zone"),
        pytest.param(lambda day: pd.Index(day.date), id="days"),
    ],
)
def test_parquet_dates_may_be_the_index_in_any_type(tmp_path: Path, dates: object) -> None:
    expected = raw_bars("SPY", 100)
    table = frame(expected).set_index("Date")
    table.index = dates(table.index).rename("Date")  # type: ignore[operator]
    table.to_parquet(tmp_path / "SPY.parquet")
    assert_equal(read_one(tmp_path), expected)


@pytest.mark.parametrize(
    ("names", "ticker"),
    [
        (("SPY.csv", "SPY.parquet"), "SPY"),
        (("SPY.csv", "spy.csv"), "SPY"),
        (("SPY.csv", "SPY.CSV"), "SPY"),
        (("VIX.csv", "^VIX.csv"), "^VIX"),
    ],
)
def test_of_two_files_for_a_ticker_neither_is_read_and_both_are_named(
    tmp_path: Path, names: tuple[str, str], ticker: str
) -> None:
    for name in names:
        write(tmp_path, HEADER, *ROWS, name=name)
    if len(list(tmp_path.iterdir())) < 2:
        pytest.skip("this disk does not tell the two names apart")
    said, reason = failure(tmp_path, ticker)
    assert reason is Reason.UNREADABLE
    assert f"{ticker}: expected one file, got " in said
    assert all(name in said for name in names)


@pytest.mark.parametrize("name", ["spy.csv", "Spy.CSV", "spy.parquet", "SPY.Parquet"])
def test_a_file_is_a_ticker_s_in_any_case_of_letters(tmp_path: Path, name: str) -> None:
    expected = raw_bars("SPY", 20)
    if name.lower().endswith("csv"):
        frame(expected).to_csv(tmp_path / name, index=False)
    else:
        frame(expected).to_parquet(tmp_path / name)
    assert_equal(read_one(tmp_path), expected)


@pytest.mark.parametrize(
    ("ticker", "names", "near"),
    [
        ("SYP", ["SPY", "QQQ"], "near names there: SPY"),
        ("BRK.B", ["BRK-B", "SPY"], "near names there: BRK-B"),
        ("SYP", ["QQQ"], "got none of them"),
    ],
)
def test_a_ticker_without_a_file_hints_at_names_that_are_like_it(
    tmp_path: Path, ticker: str, names: list[str], near: str
) -> None:
    for name in names:
        write(tmp_path, HEADER, *ROWS, name=f"{name}.csv")
    said, reason = failure(tmp_path, ticker)
    assert reason is Reason.UNKNOWN_TICKER
    assert said.endswith(near)


def test_near_names_are_looked_for_only_for_the_first_failures(tmp_path: Path) -> None:
    write(tmp_path, HEADER, *ROWS)
    reading = FolderBars(tmp_path).read([f"SPY{at}" for at in range(30)], FIRST, LAST)
    hinted = [str(failure).endswith("SPY") for failure in reading.failures.values()]
    assert hinted == [True] * 20 + [False] * 10


@pytest.mark.parametrize(
    "stamp",
    ["2024-12-27 00:00:00-05:00", "2024-12-27T00:00:00-05:00", "2024-12-27 16:00:00", "2024-12-27"],
)
def test_a_time_and_zone_after_the_date_leave_the_local_date(tmp_path: Path, stamp: str) -> None:
    write(tmp_path, HEADER, f"{stamp},1,1,1,1,1,1")
    assert read_one(tmp_path).session.tolist() == [date(2024, 12, 27)]


def test_columns_may_come_in_any_order_with_others_between(tmp_path: Path) -> None:
    write(tmp_path, "Close,Note,Low, High,Open,Date,Note", "4,x,1,5,2,2024-12-27,y")
    bars = read_one(tmp_path)
    assert [getattr(bars, name)[0] for name in COLUMNS] == [2, 5, 1, 4, 0, 0, 0]


@pytest.mark.parametrize("hole", ["", " ", "null", "NaN"])
def test_an_empty_number_is_a_hole_and_an_empty_event_is_none(tmp_path: Path, hole: str) -> None:
    row = f"2024-12-27,1,2,1,{hole},{hole},{hole},{hole}"
    write(tmp_path, "Date,Open,High,Low,Close,Volume,Dividends,Stock Splits", row)
    bars = read_one(tmp_path)
    assert np.isnan([bars.close[0], bars.volume[0]]).all()
    assert (bars.dividend[0], bars.split[0]) == (0, 0)


def test_holes_in_parquet_are_holes_too(tmp_path: Path) -> None:
    table = frame(raw_bars("SPY", 3)).astype({"Volume": "Int64"})
    table.loc[2, ["Close", "Volume", "Dividends"]] = [None, None, None]
    table.to_parquet(tmp_path / "SPY.parquet")
    bars = read_one(tmp_path)
    assert np.isnan([bars.close[2], bars.volume[2]]).all()
    assert bars.dividend[2] == 0


def test_rows_outside_the_range_are_cut_and_the_rest_left_as_it_is(tmp_path: Path) -> None:
    days = ["2024-12-30", "2024-12-26", "2024-12-27", "2024-12-26", "2024-12-24"]
    write(tmp_path, HEADER, *(f"{day},1,1,1,1,1,1" for day in days))
    reading = FolderBars(tmp_path).read(["SPY"], date(2024, 12, 26), date(2024, 12, 27))
    assert [str(day) for day in reading.bars["SPY"].session] == days[1:4]


def test_a_file_that_ends_before_the_range_is_stale(tmp_path: Path) -> None:
    write(tmp_path, HEADER, *ROWS)
    failure = FolderBars(tmp_path).read(["SPY"], LAST, LAST + timedelta(9)).failures["SPY"]
    assert failure.reason is Reason.STALE
    assert "newest is of 2024-12-27" in str(failure)


def test_a_file_without_rows_gives_bars_without_rows(tmp_path: Path) -> None:
    write(tmp_path, HEADER)
    assert len(read_one(tmp_path)) == 0


@pytest.mark.parametrize("name", ["^VIX.csv", "VIX.csv", "VIX.parquet"])
def test_an_index_has_no_volume_and_may_lie_without_its_caret(tmp_path: Path, name: str) -> None:
    table = frame(raw_bars("^VIX", 20))[["Date", "Open", "High", "Low", "Close"]]
    path = tmp_path / name
    if name.endswith("parquet"):
        table.to_parquet(path)
    else:
        table.to_csv(path, index=False)
    bars = read_one(tmp_path, "^VIX")
    assert (bars.ticker, bars.volume.any(), len(bars)) == ("^VIX", False, 20)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ((HEADER, ROWS[0], "2024-12-27,1,2,x1,1,1,1"), "line 3, Low: expected a number, got 'x1'"),
        ((HEADER, "", "2024-12-27,1,2,1"), "line 3: expected 7 fields, got 4"),
        ((HEADER, ROWS[0] + ",7"), "line 2: expected 7 fields, got 8"),
        ((HEADER, ROWS[0], '2024-12-27,1,2,1,"1', "2"), "line 3: expected 7 fields, got 5"),
        ((HEADER, "12/27/2024x,1,1,1,1,1,1"), "line 2, Date: expected YYYY-MM-DD, got '12/27/202"),
        ((HEADER, ",1,1,1,1,1,1"), "line 2, Date: expected YYYY-MM-DD, got ''"),
        ((HEADER, "2024-12-271,1,1,1,1,1,1"), "line 2, Date: expected YYYY-MM-DD"),
        ((HEADER, "2024-02-30,1,1,1,1,1,1"), "line 2, Date: expected YYYY-MM-DD, got '2024-02-30'"),
        (("Date,Open,Close", "2024-12-27,1,1"), "missing High, Low; got Date, Open, Close"),
        (("",), "expected the columns Date, Open, High, Low, Close; missing"),
        ((HEADER + ",Close", ROWS[0] + ",1"), "expected each column once, got Close twice"),
        ((HEADER, "Dec 27, 2024,1,1,1,1,1"), "line 2, Date: expected YYYY-MM-DD, got 'Dec 27'"),
        (
            (HEADER, '"Day 27, 2024",1,1,1,1,1,1'),
            "line 2, Date: expected Mon D, YYYY, got 'Day 27,",
        ),
        ((HEADER, "0204-12-27,1,1,1,1,1,1"), "expected dates from 1700-01-01 to 2199-12-31, got"),
        ((HEADER, "2024-12-27,1_000,1,1,1,1,1"), "line 2, Open: expected a number, got '1_000'"),
        ((HEADER, "2024-12-27,٣,1,1,1,1,1"), "line 2, Open: expected a number, got '٣'"),
        ((HEADER, "2024-12-27,1.234,5,1,1,1,1,1"), "line 2: expected 7 fields, got 8"),
    ],
)
def test_a_broken_file_says_where_and_what_came(
    tmp_path: Path, lines: tuple[str, ...], message: str
) -> None:
    write(tmp_path, *lines)
    said, reason = failure(tmp_path)
    assert said.startswith("SPY.csv: ")
    assert message in said
    assert reason is Reason.UNREADABLE


def test_a_byte_order_mark_and_windows_lines_do_not_matter(tmp_path: Path) -> None:
    write(tmp_path, "\ufeff" + HEADER, *ROWS, end="\r\n")
    assert len(read_one(tmp_path)) == 2


def test_text_in_utf_16_is_named_so(tmp_path: Path) -> None:
    (tmp_path / "SPY.csv").write_bytes("\n".join((HEADER, *ROWS)).encode("utf-16"))
    said, reason = failure(tmp_path)
    assert reason is Reason.UNREADABLE
    assert "SPY.csv: expected text in UTF-8, got UTF-16: save it as UTF-8" in said


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00D", b"a" * 200_000])
def test_bytes_that_are_no_table_are_unreadable(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "SPY.csv").write_bytes(content)
    (tmp_path / "QQQ.parquet").write_bytes(content)
    assert failure(tmp_path, "SPY")[1] is Reason.UNREADABLE
    assert failure(tmp_path, "QQQ")[1] is Reason.UNREADABLE


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("Close", ["1.5", "x"], "row 1, Close: expected a number, got 'x'"),
        ("Close", [[1], [2]], "column Close: expected numbers, got list<element: int64>"),
        ("Close", [True, False], "column Close: expected numbers, got bool"),
        ("Close", [b"1", b"2"], "column Close: expected numbers, got binary"),
        ("Close", [{"raw": 1.0}] * 2, "column Close: expected numbers, got struct<raw: double>"),
        ("Date", [20241226, 20241227], "column Date: expected dates or text like 2024-12-27, got"),
        ("Date", pd.period_range("2024-12", periods=2, freq="M"), "column Date: expected dates or"),
        ("Date", [b"2024-12-26", b"2024-12-27"], "like 2024-12-27, got binary"),
        ("Date", [[2024, 12, 26], [2024, 12, 27]], "like 2024-12-27, got list<element: int64>"),
        ("Date", [{"day": 26}, {"day": 27}], "like 2024-12-27, got struct<day: int64>"),
        ("Date", ["2024-12-26", "Dec 27, 2024"], "row 1, Date: expected YYYY-MM-DD, got 'Dec 27"),
        ("Date", ["12/26/2024", "12/27/2024"], "row 0, Date: expected YYYY-MM-DD, got '12/26/2"),
        ("Date", ["2024-12-26", None], "row 1, Date: expected YYYY-MM-DD, got ''"),
        (
            "Date",
            np.array(["2024-12-26", "2924-12-27"], "datetime64[s]"),
            "column Date: expected dates from 1700-01-01 to 2199-12-31, got 2924-12-27 in row 1",
        ),
        (
            "Date",
            [pd.Timestamp("2024-12-26"), None],
            "column Date: expected dates, got none in row",
        ),
        ("Date", ["2024-12-26", "soon"], "SPY.parquet: row 1, Date: expected YYYY-MM-DD"),
    ],
)
def test_a_broken_parquet_file_says_where_and_what_came(
    tmp_path: Path, column: str, values: list[object], message: str
) -> None:
    frame(raw_bars("SPY", 2)).assign(**{column: values}).to_parquet(tmp_path / "SPY.parquet")
    said, reason = failure(tmp_path)
    assert message in said
    assert reason is Reason.UNREADABLE


def test_one_bad_file_leaves_the_others_readable(tmp_path: Path) -> None:
    write(tmp_path, HEADER, *ROWS)
    write(tmp_path, HEADER, "broken", name="QQQ.csv")
    source: BarSource = FolderBars(tmp_path)
    reading = source.read(["SPY", "QQQ", "DIA"], FIRST, LAST)
    assert list(reading.bars) == ["SPY"]
    assert {ticker: error.reason for ticker, error in reading.failures.items()} == {
        "QQQ": Reason.UNREADABLE,
        "DIA": Reason.UNKNOWN_TICKER,
    }


def test_a_missing_file_is_named_with_every_name_looked_for(tmp_path: Path) -> None:
    said, reason = failure(tmp_path, "^VIX")
    assert "^VIX.csv, ^VIX.parquet, VIX.csv, VIX.parquet" in said
    assert reason is Reason.UNKNOWN_TICKER


def test_a_ticker_never_leads_out_of_the_folder(tmp_path: Path) -> None:
    write(tmp_path, HEADER, *ROWS)
    (tmp_path / "in").mkdir()
    for ticker in ("../SPY", str(tmp_path / "SPY")):
        assert failure(tmp_path / "in", ticker)[1] is Reason.UNKNOWN_TICKER


def test_a_folder_that_cannot_be_listed_is_a_wrong_setting(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected a folder of bars at .*nowhere"):
        FolderBars(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match=r"expected a folder of bars at .*SPY\.csv"):
        FolderBars(write(tmp_path, HEADER, name="SPY.csv.gz"))


@pytest.mark.real_bars
def test_real_bars_are_read_whole_and_are_valid(real_bars: Path) -> None:
    reading = FolderBars(real_bars).read(["SPY", "QQQ", "DIA", "IWM", "^VIX"], FIRST, LAST)
    assert not reading.failures
    for ticker in ("SPY", "QQQ", "DIA", "IWM"):
        assert Bars.validate(reading.bars[ticker]).session[-1] == np.datetime64("2024-12-31")
    lines = (real_bars / "SPY.csv").read_text(encoding="utf-8").splitlines()
    assert len(reading.bars["SPY"]) == len(lines) - 1
    assert reading.bars["SPY"].close[-1] == float(lines[-1].split(",")[4])
