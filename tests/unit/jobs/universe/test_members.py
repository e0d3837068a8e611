"""A universe's file: what it may hold, and what is said of lines that hold something else."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest

from pipeline.errors import ConfigError
from pipeline.jobs.universe.members import LARGEST, Member, parse_universe, read_universe
from tests.support.fakes import MemoryObjects

WHERE = "universe.csv"


def parse(*lines: str) -> Sequence[Member]:
    return parse_universe("\n".join(lines).encode(), WHERE).members


def test_a_column_of_tickers_is_a_universe() -> None:
    assert parse("ticker", "spy", "BRK-B", "^VIX") == tuple(map(Member, ("BRK-B", "SPY", "^VIX")))


def test_all_columns_are_read_whatever_their_order() -> None:
    data = (
        b'\xef\xbb\xbfGroup,Ticker,Calendar,renamed_from\r\n"a, b",META,XNYS,TFB fb\r\n,SPY,XNYS,'
    )
    universe = parse_universe(data, WHERE)
    assert universe.members == (Member("META", "a, b", ("TFB", "FB")), Member("SPY"))
    assert (universe.calendar, universe.renamed) == ("XNYS", {"META": "FB"})
    assert universe.members[0].home == "TFB"


def test_the_order_of_rows_means_nothing_and_what_they_say_does() -> None:
    digests = {
        parse_universe(f"ticker,group\n{rows}".encode(), WHERE).rows_sha256
        for rows in ("SPY,a\nQQQ,b", "QQQ,b\nSPY,a\n\n", "QQQ,b\nSPY,b", "QQQ,b")
    }
    assert len(digests) == 3


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([""], "expected a first line with the column ticker"),
        (["SPY", "QQQ"], "expected a first line with the column ticker .* got 'spy'"),
        (["ticker,sector", "SPY,x"], "no others than calendar, group, renamed_from"),
        (["ticker,ticker", "SPY,QQQ"], "each once, got 'ticker,ticker'"),
        (["ticker"], "expected a row for each ticker, got none"),
        (["ticker", "SPY", "S PY"], "line 3: expected a ticker like SPY, got 'S PY'"),
        (["ticker,group", ",x"], "line 2: expected a ticker like SPY, got ''"),
        (["ticker", "SPY", "QQQ", "spy"], "line 4: expected each name once, got SPY of line 2"),
        (["ticker", "SPY,tech"], "line 2: expected as many cells as the first line has, got more"),
        (["ticker,calendar", "SPY,XNYS", "VOD.L,XLON"], "line 3: expected calendar XNYS as above"),
        (["ticker,calendar", "SPY,", "QQQ,XNYS"], "line 3: expected calendar none as above"),
        (["ticker,renamed_from", "META,FB", "FB,"], "line 3: expected each name once, got FB of"),
        (["ticker,renamed_from", "A,X", "B,X"], "line 3: expected each name once, got X of line 2"),
        (["ticker,renamed_from", "A,A"], "line 2: expected each name once, got A A"),
        (["ticker,renamed_from", "A,?"], "line 2: expected a ticker like SPY, got '[?]'"),
        (['ticker', '"SPY'], "expected a CSV file in UTF-8, got: unexpected end of data"),
    ],
)  # fmt: skip
def test_a_line_at_fault_is_named(lines: Sequence[str], words: str) -> None:
    with pytest.raises(ConfigError, match=f"^universe.csv: .*{words}"):
        parse(*lines)


def test_all_lines_at_fault_are_counted_and_ten_are_named() -> None:
    with pytest.raises(ConfigError) as refused:
        parse("ticker", *("?" for _ in range(25)), "SPY")
    assert len(re.findall(r"line \d+: ", str(refused.value))) == 10
    assert str(refused.value).endswith("; and 15 more")


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected a CSV file in UTF-8, got: 'utf-8' codec"):
        parse_universe(b"ticker\n\xff\xfe", WHERE)


@pytest.mark.parametrize("location", ["s3://bucket/a/u.csv", "a/u.csv", "/u.csv", "u.csv"])
def test_a_file_lies_in_a_folder_or_in_s3(location: str) -> None:
    opened: list[str] = []

    def open_store(folder: str) -> MemoryObjects:
        opened.append(folder)
        return MemoryObjects({"u.csv": b"ticker\nSPY\n"})

    assert read_universe(location, open_store).tickers == ("SPY",)
    folders = {"s3://bucket/a/u.csv": "s3://bucket/a", "a/u.csv": "a", "/u.csv": "/", "u.csv": "."}
    assert opened == [folders[location]]


@pytest.mark.parametrize(
    ("objects", "words"),
    [
        ({}, "'u.csv': nothing there"),
        ({"u.csv": b"x" * (LARGEST + 1)}, f"'u.csv': {LARGEST + 1} bytes"),
    ],
)
def test_a_file_that_cannot_be_one_is_refused(objects: dict[str, bytes], words: str) -> None:
    with pytest.raises(ConfigError, match=f"universe: expected a CSV file .*{words}"):
        read_universe("u.csv", lambda _: MemoryObjects(objects))


@pytest.mark.parametrize("location", ["", ".", "/", "my file.csv"])
def test_a_name_that_is_no_key_is_refused(location: str) -> None:
    with pytest.raises(ConfigError, match="universe: expected a CSV file"):
        read_universe(location, lambda _: MemoryObjects())
