"""Bars in a bucket: a prefix with files, or one object, read as a folder or a file is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import ConfigError, Reason
from pipeline.jobs.fetch import to_csv
from pipeline.ports import BarSource
from pipeline.wiring import open_calendar, open_source
from tests.support import fault_proxy as faults
from tests.support.builders import raw_bars
from tests.support.fault_proxy import always, refusal
from tests.support.s3_server import BUCKET, S3, s3_server

ALL_TIME = (date(1990, 1, 1), date(2100, 1, 1))
BARS = {name: raw_bars(name, 30) for name in ("SPY", "QQQ")}
LONG = "".join(
    [
        "Ticker,Date,Open,High,Low,Close\n",
        *(
            f"{t},2024-12-{day},{n},{n},{n},{n}\n"
            for n, t in enumerate(BARS, 1)
            for day in (26, 27)
        ),
    ]
)


@pytest.fixture(scope="module")
def server() -> Iterator[S3]:
    with s3_server() as running:
        for ticker, bars in BARS.items():
            put(running, f"bars/{ticker}.csv", to_csv(bars))
        put(running, "bars/old/SPY.csv", b"not read")
        put(running, "bars/a name with spaces.csv", b"not read")
        put(running, "bars/", b"")  # as S3's console marks a folder
        put(running, "named/SPY.csv", to_csv(BARS["SPY"]))
        put(running, "named/origin.txt", b"A friend")
        put(running, "long/all.csv", LONG.encode())
        put(running, "long/SPY.csv", b"another's")
        yield running


def put(server: S3, key: str, data: bytes) -> None:
    server.client.put_object(Bucket=BUCKET, Key=key, Body=data)


@pytest.fixture
def s3(server: S3, monkeypatch: pytest.MonkeyPatch) -> S3:
    for name, value in server.environ.items():
        monkeypatch.setenv(name, value)
    return server


def open_bars(spec: str) -> BarSource:
    return open_source(
        spec, open_calendar(), cache_dir=Path("/nowhere"), remaining_seconds=lambda: 600.0
    )


@pytest.mark.usefixtures("s3")
@pytest.mark.parametrize("end", ["", "/"])
def test_a_prefix_is_read_as_a_folder_is(end: str) -> None:
    source = open_bars(f"s3://{BUCKET}/bars{end}")
    assert source.label == "s3"
    reading = source.read([*BARS, "DIA"], *ALL_TIME)
    for ticker, bars in BARS.items():
        np.testing.assert_array_equal(reading.bars[ticker].close, bars.close)
    assert {*reading.failures} == {"DIA"}
    assert reading.failures["DIA"].reason is Reason.UNKNOWN_TICKER
    assert f"in s3://{BUCKET}/bars, got none of them" in str(reading.failures["DIA"])


@pytest.mark.usefixtures("s3")
def test_an_origin_beside_the_files_is_the_label() -> None:
    assert open_bars(f"s3://{BUCKET}/named").label == "A friend"


@pytest.mark.usefixtures("s3")
def test_an_object_is_read_as_a_file_is() -> None:
    source = open_bars(f"s3://{BUCKET}/long/all.csv")
    assert source.label == "file"
    reading = source.read(["SPY", "QQQ", "^VIX"], *ALL_TIME)
    assert reading.bars["SPY"].close.tolist() == [1, 1]
    assert reading.bars["QQQ"].close.tolist() == [2, 2]
    assert reading.failures["^VIX"].reason is Reason.UNKNOWN_TICKER


@pytest.mark.usefixtures("s3")
def test_an_object_that_is_not_there_is_said() -> None:
    failure = open_bars(f"s3://{BUCKET}/long/none.csv").read(["SPY"], *ALL_TIME).failures["SPY"]
    assert "none.csv" in str(failure)


@pytest.mark.usefixtures("s3")
def test_an_empty_prefix_is_said() -> None:
    source = open_bars(f"s3://{BUCKET}/nothing")
    failure = source.read(["SPY"], *ALL_TIME).failures["SPY"]
    assert str(failure).endswith("got none of them; no file there is of bars")


@pytest.mark.usefixtures("s3")
def test_a_bucket_that_is_not_there_is_said() -> None:
    source = open_bars("s3://nowhere/bars")
    with pytest.raises(ConfigError, match=r"s3://nowhere/bars.*NoSuchBucket.*Mind the bucket's na"):
        _ = source.label
    failure = source.read(["SPY"], *ALL_TIME).failures["SPY"]
    assert failure.reason is Reason.SOURCE_UNAVAILABLE


@pytest.mark.parametrize(
    ("message", "hint"),
    [
        ("User is not authorized to perform: s3:ListBucket", "Allow s3:GetObject of what lies th"),
        ("not authorized to perform: kms:Decrypt on resource", "Allow kms:Decrypt with the bucket"),
    ],
)
def test_what_is_forbidden_is_said_with_what_to_allow(
    s3: S3, monkeypatch: pytest.MonkeyPatch, message: str, hint: str
) -> None:
    with faults.fault_proxy(s3.url) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.url)
        proxy.manner = always(refusal(403, "AccessDenied", message))
        failure = open_bars(f"s3://{BUCKET}/bars").read(["SPY"], *ALL_TIME).failures["SPY"]
    assert failure.reason is Reason.SOURCE_UNAVAILABLE
    assert "AccessDenied" in str(failure)
    assert hint in str(failure)


@pytest.mark.parametrize("spec", ["s3://", "s3://b", "s3://bucket//x", "gs://bucket/x", "S3://b/x"])
def test_what_is_no_place_in_s3_is_a_wrong_setting(spec: str) -> None:
    with pytest.raises(ConfigError, match=r"bars: expected yahoo, .* or s3://bucket/prefix, got"):
        open_bars(spec)


def test_nothing_is_asked_of_s3_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    source = open_bars("s3://bucket/bars")
    # Nobody answers there, which the first question finds.
    failure = source.read(["SPY"], *ALL_TIME).failures["SPY"]
    assert failure.reason is Reason.SOURCE_UNAVAILABLE


def test_each_reading_is_of_what_is_there_then(s3: S3) -> None:
    """A function that stays warm reads a file again that has grown since."""
    put(s3, "growing/all.csv", LONG.encode())
    source = open_bars(f"s3://{BUCKET}/growing/all.csv")
    assert source.read(["SPY"], *ALL_TIME).bars["SPY"].session[-1] == np.datetime64("2024-12-27")
    put(s3, "growing/all.csv", f"{LONG}SPY,2024-12-30,3,3,3,3\n".encode())
    assert source.read(["SPY"], *ALL_TIME).bars["SPY"].session[-1] == np.datetime64("2024-12-30")
