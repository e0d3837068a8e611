"""What yfinance raises, keeps and prints."""

from __future__ import annotations

import inspect
import json
import os
import pickle
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import peewee
import pytest
import yfinance
from bs4.exceptions import ParserRejectedMarkup
from curl_cffi import CurlError, requests
from yfinance import exceptions
from yfinance.data import YfData

from pipeline.adapters.yahoo.translate import translate
from pipeline.adapters.yahoo.yahoo_bars import YahooBars
from pipeline.errors import InvalidBars, Reason, SourceUnavailable
from tests.support.builders import raw_bars
from tests.support.loopback_yahoo import (
    LoopbackYahoo,
    loopback_yahoo,
)
from tests.support.yahoo_source import (
    FIRST,
    LAST,
    TICKERS,
    PatientClock,
    assert_equal,
    make_source,
    sent,
)

# Errors

MEANING: dict[str, tuple[Exception, type, Reason]] = {
    "YFException": (exceptions.YFException("odd"), SourceUnavailable, Reason.SOURCE_UNAVAILABLE),
    "YFDataException": (
        exceptions.YFDataException("down"),
        SourceUnavailable,
        Reason.SOURCE_UNAVAILABLE,
    ),
    "YFNotImplementedError": (
        exceptions.YFNotImplementedError("bars"),
        SourceUnavailable,
        Reason.SOURCE_UNAVAILABLE,
    ),
    "YFTickerMissingError": (
        exceptions.YFTickerMissingError("SPY", "odd"),
        SourceUnavailable,
        Reason.SOURCE_UNAVAILABLE,
    ),
    "YFTzMissingError": (
        exceptions.YFTzMissingError("SPY"),
        SourceUnavailable,
        Reason.SOURCE_UNAVAILABLE,
    ),
    "YFPricesMissingError": (
        exceptions.YFPricesMissingError("SPY", ""),
        InvalidBars,
        Reason.NO_BARS,
    ),
    "YFEarningsDateMissing": (
        exceptions.YFEarningsDateMissing("SPY"),
        SourceUnavailable,
        Reason.SOURCE_UNAVAILABLE,
    ),
    "YFInvalidPeriodError": (
        exceptions.YFInvalidPeriodError("SPY", "1x", "1d"),
        SourceUnavailable,
        Reason.SOURCE_UNAVAILABLE,
    ),
    "YFRateLimitError": (
        exceptions.YFRateLimitError(),
        SourceUnavailable,
        Reason.SOURCE_UNAVAILABLE,
    ),
}


def test_every_error_of_yfinance_has_a_meaning() -> None:
    assert set(MEANING) == {name for name, _ in inspect.getmembers(exceptions, inspect.isclass)}


@pytest.mark.parametrize("name", MEANING)
def test_an_error_of_yfinance_becomes_one_of_ours(name: str) -> None:
    error, kind, reason = MEANING[name]
    meant = translate("SPY", error)
    assert (type(meant), meant.reason) == (kind, reason)
    assert "SPY: expected" in str(meant)


@pytest.mark.parametrize("name", MEANING)
def test_an_error_raised_inside_yfinance_never_escapes_a_read(
    yahoo: LoopbackYahoo, source: YahooBars, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    error, _, reason = MEANING[name]

    def fail(*args: object, **options: object) -> None:
        raise error

    monkeypatch.setattr("yfinance.data.YfData.get", fail)
    failure = source.read(["SPY"], FIRST, LAST).failures["SPY"]
    assert failure.reason is reason
    assert failure.__cause__ is error


# The file system and what is printed

IN_A_NEW_PROCESS = """
import sys
from datetime import date
from pathlib import Path
import pytest
from pipeline.adapters.yahoo.yahoo_bars import YahooBars
from tests.support.builders import raw_bars
from tests.support.loopback_yahoo import THROTTLED, loopback_yahoo
from itertools import repeat
from collections.abc import Callable
with pytest.MonkeyPatch.context() as patch, loopback_yahoo(patch) as yahoo:
    yahoo.knows(raw_bars("SPY"), raw_bars("QQQ"))
    yahoo.misbehaves("QQQ", repeat(THROTTLED))
    yahoo.misbehaves("crumb", repeat(THROTTLED))
    source = YahooBars(Path(sys.argv[1]), lambda: 900.0, attempts=1)
    reading = source.read(["SPY", "QQQ", "NOSUCH"], date(2024, 11, 1), date(2024, 12, 27))
assert list(reading.bars) == ["SPY"], reading
"""


def test_where_only_the_temporary_folder_can_be_written_caches_go_there_and_nothing_is_printed(
    tmp_path: Path,
) -> None:
    home, caches = tmp_path / "home", tmp_path / "caches"
    home.touch()  # a file: nobody, not even root, can write below it
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", IN_A_NEW_PROCESS, str(caches)],
        cwd=Path(__file__).parents[3],
        env={"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert "cookies.db" in {path.name for path in caches.iterdir()}


def test_a_cached_cookie_spares_the_next_process_the_request(
    yahoo: LoopbackYahoo, source: YahooBars, clock: PatientClock, tmp_path: Path
) -> None:
    source.read(["SPY"], FIRST, LAST)
    with pytest.MonkeyPatch.context() as patch, loopback_yahoo(patch) as later:
        later.knows(raw_bars())
        reading = make_source(tmp_path, clock).read(["SPY"], FIRST, LAST)
        assert_equal(reading.bars["SPY"], sent())
        assert [seen.host for seen in later.requests].count("fc.yahoo.com") == 0
        assert len(later.charts("SPY")) == 1


# The cache of cookies


def break_cache(folder: Path, how: str) -> object:
    """Leave a cache that cannot be used; what is returned is to be kept until the test ends."""
    path = folder / "cookies.db"
    if how == "no database":
        path.write_bytes(b"not a database, yet longer than its header" * 100)
        return None
    if how == "a folder":
        path.mkdir()
        return None
    database = sqlite3.connect(path, isolation_level=None)
    database.execute(
        "create table _cookieschema (strategy text primary key, fetch_date text, cookie_bytes blob)"
    )
    if how == "locked":
        database.execute("pragma journal_mode = wal")
        database.execute("begin exclusive")
        return database
    blob = {"no pickle": b"x", "half a pickle": b"\x80\x05", "no cookie": pickle.dumps({})}[how]
    row = ("curlCffi", "2024-12-27T00:00:00", blob)
    database.execute("insert into _cookieschema values (?, ?, ?)", row)
    database.close()
    return None


@pytest.mark.parametrize(
    "how", ["no database", "a folder", "locked", "no pickle", "half a pickle", "no cookie"]
)
def test_a_cache_that_cannot_be_used_is_left_for_a_fresh_one(
    yahoo: LoopbackYahoo,
    clock: PatientClock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    how: str,
) -> None:
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(fresh))
    monkeypatch.setattr(peewee.SqliteDatabase, "__init__", impatient(peewee.SqliteDatabase))
    held = break_cache(tmp_path, how)
    reading = make_source(tmp_path, clock).read(["SPY", "QQQ"], FIRST, LAST)
    assert list(reading.bars) == ["SPY", "QQQ"]
    assert clock.slept == []
    assert [path.name for path in fresh.glob("yfinance-*/*.db")] == ["cookies.db"]
    if isinstance(held, sqlite3.Connection):
        held.close()


def test_where_no_cache_gives_back_what_was_stored_none_is_kept(
    yahoo: LoopbackYahoo, source: YahooBars, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(cookies: yfinance.cache._CookieCache, _: str) -> None:
        if not cookies.dummy:
            raise KeyError("A3")

    monkeypatch.setattr(yfinance.cache._CookieCache, "lookup", fail)
    assert list(source.read(TICKERS, FIRST, LAST).bars) == list(TICKERS)


def impatient(database: type[peewee.SqliteDatabase]) -> Callable[..., None]:
    """Return a constructor of databases that wait for no lock."""
    plain = database.__init__

    def build(self: peewee.SqliteDatabase, *args: object, **options: object) -> None:
        plain(self, *args, **{**options, "timeout": 0})

    return build


FOREIGN = [
    peewee.OperationalError("database is locked"),
    peewee.DatabaseError("database disk image is malformed"),
    sqlite3.DatabaseError("file is not a database"),
    pickle.UnpicklingError("pickle data was truncated"),
    RecursionError("maximum recursion depth exceeded"),
    OverflowError("int too large to convert to float"),
    MemoryError(),
    EOFError(),
    ImportError("no module"),
    AssertionError(),
    ZeroDivisionError(),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
    pd.errors.OutOfBoundsDatetime("year 300000"),
    pd.errors.InvalidIndexError("twice"),
    json.JSONDecodeError("Expecting value", "", 0),
    CurlError("failed"),
    requests.exceptions.ChunkedEncodingError("half"),
    ParserRejectedMarkup("no markup"),
    NotImplementedError(),
]


@pytest.mark.parametrize("error", FOREIGN, ids=lambda error: type(error).__name__)
def test_an_error_of_what_yfinance_stands_on_is_one_ticker_s_trouble(
    yahoo: LoopbackYahoo, source: YahooBars, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    plain = YfData.get

    def fail(self: YfData, url: str, *args: object, **options: object) -> object:
        if url.endswith("/SPY"):
            raise error
        return plain(self, url, *args, **options)

    monkeypatch.setattr(YfData, "get", fail)
    reading = source.read(["SPY", "QQQ"], FIRST, LAST)
    failure = reading.failures["SPY"]
    assert (type(failure), failure.reason) == (SourceUnavailable, Reason.SOURCE_UNAVAILABLE)
    assert failure.__cause__ is error
    assert list(reading.bars) == ["QQQ"]
