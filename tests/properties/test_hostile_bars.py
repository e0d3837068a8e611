"""Hostile bars, in Yahoo's charts and in files: one reason a ticker, never a crash.

And never one ticker's fault on another: beside each lies a good one, which is read as ever.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from yfinance.data import YfData

from pipeline.adapters.bar_folder.folder_bars import FolderBars
from pipeline.adapters.yahoo.yahoo_bars import YahooBars
from pipeline.bars import Bars, RawBars
from pipeline.errors import ForecasterError
from pipeline.jobs.fetch import to_csv
from pipeline.ports import Reading
from pipeline.record.forecast_bars import select_forecast_bars
from tests.support.builders import raw_bars
from tests.support.hostile import changed, places, without
from tests.support.loopback_yahoo import build_chart
from tests.support.yahoo_source import FIRST, LAST, assert_equal, sent

FEW = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
GOOD = "QQQ"
EXPECTED = raw_bars(n=200).session.tolist()

hostile_json = st.sampled_from(
    [
        *(None, True, 0, -1, 10**12, 2**63, -(2**63), 10**400, 0.5, 1e308, 5e-324, float("nan")),
        *(float("inf"), "", "x", "x" * 5000, "USD", "QQQ", "JPY", "1wk", "Asia/Tokyo", "\x00"),
        *("../../etc/passwd", "\ud800", "2024-12-27", [], [[]], {}, {"": None}, [None] * 41),
        *([0.0] * 41, [1e308] * 41, ["1"] * 41, [1735309800] * 41, list(range(41))),
    ]
)


class Response:
    """What yfinance's client has of an answer."""

    status_code = 200

    def __init__(self, content: bytes) -> None:
        self.content = content

    def raise_for_status(self) -> None:
        pass


def good_chart(ticker: str) -> Any:
    return build_chart(raw_bars(ticker).since(FIRST).as_of(LAST))


@st.composite
def hostile_charts(draw: st.DrawFn) -> bytes:
    """Draw a chart with some values others, missing, twice or in other places; or half of one."""
    chart = good_chart("SPY")
    for _ in range(draw(st.integers(1, 4))):
        paths = sorted(places(chart), key=repr)
        if not paths:
            break
        path = draw(st.sampled_from(paths))
        how = draw(st.sampled_from(["change", "change", "change", "drop", "freeze", "scale"]))
        chart = _spoil(draw, chart, path, how)
    data = json.dumps(chart).encode()
    cut = draw(st.sampled_from([None, None, None, 10, 1000]))
    return data[:cut]


def _spoil(draw: st.DrawFn, chart: Any, path: tuple[Any, ...], how: str) -> Any:
    if how == "drop":
        return without(chart, path)
    quote = ("chart", "result", 0, "indicators", "quote", 0)
    try:
        columns = chart["chart"]["result"][0]["indicators"]["quote"][0]
        name = draw(st.sampled_from(sorted(columns)))
        values = columns[name]
        first, n = draw(st.integers(0, 40)), draw(st.integers(1, 41))
        if how == "freeze":
            held = values[:first] + [values[first]] * n + values[first + n :]
            return changed(chart, (*quote, name), held)
        if how == "scale":
            factor = draw(st.sampled_from([0.0, -1.0, 0.01, 0.4, 0.5, 1.35, 2.0, 2.5, 1e9]))
            scaled = values[:first] + [value * factor for value in values[first:]]
            return changed(chart, (*quote, name), scaled)
    except (LookupError, TypeError, AttributeError):  # spoilt beyond that before
        pass
    return changed(chart, path, draw(hostile_json))


def judge(reading: Reading) -> None:
    """Let every bar that was read go the way of a run, which nothing but our errors may end."""
    assert {*reading.bars} | {*reading.failures} == {"SPY", GOOD}
    for raw in reading.bars.values():
        for use in (Bars.validate, lambda bars: select_forecast_bars(bars, EXPECTED), to_csv):
            try:
                use(raw)
            except ForecasterError as error:
                assert str(error).startswith(f"{raw.ticker}: ")


@pytest.fixture(scope="module")
def cache() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@FEW
@given(chart=hostile_charts())
def test_no_chart_ends_a_reading_or_reaches_another_ticker(chart: bytes, cache: Path) -> None:
    good = json.dumps(good_chart(GOOD)).encode()

    def answer(_: YfData, url: str, *args: object, **options: object) -> Response:
        return Response(good if url.endswith(f"/{GOOD}") else chart)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(YfData, "get", answer)
        source = YahooBars(cache, lambda: 900.0, attempts=1)
        reading = source.read(["SPY", GOOD], FIRST, LAST)
    assert_equal(reading.bars[GOOD], sent(GOOD))
    judge(reading)


def csv_of(raw: RawBars) -> bytes:
    return to_csv(raw)


def parquet_of(raw: RawBars) -> bytes:
    sink = BytesIO()
    pq.write_table(table_of(raw), sink)
    return sink.getvalue()


def table_of(raw: RawBars) -> pa.Table:
    prices = {name.capitalize(): getattr(raw, name) for name in ("open", "high", "low", "close")}
    return pa.table({"Date": pa.array(raw.session), **prices, "Volume": raw.volume})


@st.composite
def fuzzed(draw: st.DrawFn, data: bytes) -> bytes:
    """Draw bytes with some replaced, cut out, doubled or put between."""
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        cut = draw(st.sampled_from([0, 1, 2, 8, 100, 4000]))
        new = draw(st.binary(max_size=12) | st.sampled_from(TOKENS))
        data = data[:at] + new + data[at + cut :]
    return data


TOKENS = (
    *(b"", b"\n", b",", b'"', b"\x00", b"\xff\xfe", b"PAR1", b"nan", b"inf", b"1e999", b"-0"),
    *(b"9" * 400, b"Date", b"0001-01-01", b"9999-12-31", b"2024-12-27\n", b"\r", "٣".encode()),
)


def arrow_columns() -> st.SearchStrategy[pa.Array]:
    """Draw a column of 200 values of any type that people's programs write."""
    day = np.datetime64("2024-12-27")
    return st.sampled_from(
        [
            pa.array([None] * 200),
            pa.array([True] * 200),
            pa.array(np.arange(200)),
            pa.array(np.arange(200, dtype=np.uint64) + np.uint64(2**63)),
            pa.array(np.full(200, 1.5, np.float16)),
            pa.array(np.full(200, np.inf)),
            pa.array(["1.5"] * 200),
            pa.array(["Dec 27, 2024"] * 200),
            pa.array(["2024-12-27"] * 200).dictionary_encode(),
            pa.array([b"2024-12-27"] * 200),
            pa.array([[1.0]] * 200),
            pa.array([{"raw": 1.0}] * 200),
            pa.array([{"a": [{"b": None}]}] * 200),
            pa.array([[("k", 1)]] * 200, pa.map_(pa.string(), pa.int64())),
            pa.array([1] * 200, pa.duration("s")),
            pa.array([1] * 200, pa.time64("us")),
            pa.array([2**50] * 200, pa.timestamp("s")),
            pa.array([2**62] * 200, pa.timestamp("us", "Nowhere/Land")),
            pa.array([0] * 200, pa.timestamp("ns", "America/New_York")),
            pa.array(np.full(200, day)),
            pa.array([None] * 200, pa.date32()),
            pa.array([2**31 - 1] * 200, pa.date32()),
            pa.array([0] * 200, pa.date64()),
            pa.array([10**30] * 200, pa.decimal256(40, 2)),
        ]
    )


@st.composite
def odd_tables(draw: st.DrawFn) -> bytes:
    """Draw a Parquet file of which some columns are of another type, away, or there twice."""
    table = table_of(raw_bars())
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, table.num_columns - 1))
        name, how = table.column_names[at], draw(st.sampled_from(["set", "set", "drop", "twice"]))
        if how == "drop" and table.num_columns > 1:
            table = table.remove_column(at)
        elif how == "twice":
            table = table.append_column(name, draw(arrow_columns()))
        else:
            table = table.set_column(at, name, draw(arrow_columns()))
    sink = BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


FILES: dict[str, tuple[str, Callable[[], st.SearchStrategy[bytes]]]] = {
    "bytes of a CSV": ("SPY.csv", lambda: fuzzed(csv_of(raw_bars()))),
    "bytes of a Parquet file": ("SPY.parquet", lambda: fuzzed(parquet_of(raw_bars()))),
    "types of a Parquet file": ("SPY.parquet", odd_tables),
    "any bytes": ("SPY.csv", lambda: st.binary(max_size=300)),
}


@pytest.mark.parametrize(("name", "contents"), FILES.values(), ids=FILES.keys())
@FEW
@given(data=st.data())
def test_no_file_ends_a_reading_or_reaches_another_ticker(
    name: str, contents: Callable[[], st.SearchStrategy[bytes]], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, name).write_bytes(data.draw(contents()))
        Path(folder, f"{GOOD}.csv").write_bytes(csv_of(raw_bars(GOOD)))
        reading = FolderBars(Path(folder)).read(["SPY", GOOD], FIRST, LAST)
    assert_equal(reading.bars[GOOD], sent(GOOD))
    for failure in reading.failures.values():
        assert name in str(failure) or "expected a bar of" in str(failure)
    judge(reading)
