"""The on-demand function while its S3 is silent, broken or gone, over HTTP as at a desk."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest

from handlers.local.gateway import Gateway
from handlers.local.invoke import LocalContext
from pipeline.adapters.aws import clients
from pipeline.adapters.aws.clients import Patience
from pipeline.adapters.aws.s3_store import PAUSES, S3Objects
from tests.support import fault_proxy as faults
from tests.support.builders import bar_rows, bars, latest_view, url_event
from tests.support.fault_proxy import (
    CLOSE,
    PAGE,
    RESET,
    SILENCE,
    Answer,
    FaultProxy,
    Manner,
    always,
    half,
    refusal,
)
from tests.support.lines import send, serving
from tests.support.s3_server import BUCKET, S3, s3_server

AWAY: dict[str, Manner] = {
    "silence": always(Answer(None, then=SILENCE)),
    "a reset": always(Answer(None, then=RESET)),
    "an end": always(Answer(None, then=CLOSE)),
    "half a body": half(CLOSE),
    "half a body and silence": half(SILENCE),
    "503": always(refusal(503, "SlowDown")),
    "a login page": always(Answer(200, PAGE)),
}
VIEWS = {
    "latest.json": json.dumps(latest_view()).encode(),
    "track_record.json": b'{"days": 3}\n',
    "index.html": b"<!doctype html><p>forecasts",
}
PATHS = ("/forecasts", "/forecasts/SPY", "/track-record", "/")
every_manner = pytest.mark.parametrize("manner", AWAY.values(), ids=AWAY)


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with s3_server() as server:
        for key, data in VIEWS.items():
            server.client.put_object(Bucket=BUCKET, Key=f"served/{key}", Body=data)
        yield server


@pytest.fixture(scope="module")
def proxy(s3: S3) -> Iterator[FaultProxy]:
    with faults.fault_proxy(s3.url) as running:
        yield running


@pytest.fixture
def function(s3: S3, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The function, just started, which waits for fractions of a second."""
    environ = {**s3.environ, "AWS_ENDPOINT_URL_S3": proxy.url, "FORECASTER_AUTH": "none"}
    for name, value in {**environ, "FORECASTER_STORE": f"s3://{BUCKET}/served"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(clients, "HURRIED", Patience(2, 1, 0.2))
    proxy.manner = faults.pass_on
    sys.modules.pop("handlers.on_demand", None)
    yield importlib.import_module("handlers.on_demand")
    sys.modules.pop("handlers.on_demand", None)


@pytest.fixture
def get(function: Any) -> Callable[[str], dict[str, Any]]:
    return lambda path: function.handler(url_event("GET", path), LocalContext())


def expire(function: Any) -> None:
    """Let all that is kept be of a minute and more ago."""
    kept = function.service.on_demand.views._kept
    kept |= {key: (read_at - 100, view) for key, (read_at, view) in kept.items()}


@every_manner
def test_without_a_kept_view_it_is_for_later(get: Any, proxy: FaultProxy, manner: Manner) -> None:
    proxy.manner = manner
    for path in PATHS:
        answer = get(path)
        assert (answer["statusCode"], answer["headers"]["retry-after"]) == (503, "5")
        assert json.loads(answer["body"])["code"] == "store_unavailable"
    assert get("/health")["statusCode"] == 200


@every_manner
def test_a_kept_view_is_served_and_says_that_it_is_one(
    function: Any, get: Any, proxy: FaultProxy, manner: Manner
) -> None:
    fresh = {path: get(path) for path in PATHS}
    expire(function)
    proxy.manner = manner
    for path in PATHS:
        answer = get(path)
        assert answer["statusCode"] == 200
        assert 100 <= int(answer["headers"]["age"]) < 600
        assert answer["headers"]["cache-status"] == "forecaster; hit; detail=store-unavailable"
        assert answer["headers"]["cache-control"] == "no-store"
        if path == "/":
            assert answer["body"] == fresh[path]["body"]
        else:
            marked = json.loads(fresh[path]["body"]) | {"store_unavailable": True}
            assert json.loads(answer["body"]) == marked
    function.service.on_demand.views._failed.update(
        {key: (-1e9, error) for key, (_, error) in function.service.on_demand.views._failed.items()}
    )
    proxy.manner = faults.pass_on
    assert {path: get(path) for path in PATHS} == fresh


def test_a_forecast_from_what_is_kept_says_so_and_others_do_not(
    function: Any, get: Any, proxy: FaultProxy
) -> None:
    get("/forecasts")
    expire(function)
    proxy.manner = AWAY["a reset"]
    rows = bar_rows(bars())
    marked = {}
    for name, body in {
        "published": {"ticker": "SPY"},
        "its gains": {"bars": rows, "ticker": "SPY"},
        "bars alone": {"bars": rows},
    }.items():
        answer = function.handler(url_event("POST", "/predict", body), LocalContext())
        assert answer["statusCode"] == 200
        marked[name] = json.loads(answer["body"]).get("store_unavailable", False)
    assert marked == {"published": True, "its gains": True, "bars alone": False}


def test_who_asks_with_an_etag_is_told_that_the_store_is_away(
    function: Any, get: Any, proxy: FaultProxy
) -> None:
    etag = get("/forecasts")["headers"]["etag"]
    expire(function)
    proxy.manner = AWAY["a reset"]
    event = url_event("GET", "/forecasts", headers={"If-None-Match": etag})
    answer = function.handler(event, LocalContext())
    assert (answer["statusCode"], "etag" in answer["headers"]) == (200, False)
    head = function.handler(url_event("HEAD", "/forecasts"), LocalContext())
    assert (head["statusCode"], head["body"]) == (200, "")
    assert "age" in head["headers"]


def test_a_store_that_hangs_beyond_its_client_s_limits_is_waited_for_no_longer(
    function: Any, get: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a name does not resolve, an answer comes by drops, or a file system hangs."""
    released = Event()
    monkeypatch.setattr(function, "PATIENCE", 0.05)
    monkeypatch.setattr(S3Objects, "read", lambda *_: released.wait(30))
    answer = get("/forecasts")
    assert (answer["statusCode"], answer["headers"]["retry-after"]) == (503, "5")
    released.set()


def test_health_does_not_wait_behind_a_store_that_hangs(
    function: Any, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(function, "PATIENCE", 30.0)
    monkeypatch.setattr(clients, "HURRIED", Patience(1, 30, 30))
    proxy.manner = always(Answer(None, then=SILENCE))
    gateway = Gateway(0, function.handler)
    asked = len(proxy.seen)
    with serving(gateway) as port, ThreadPoolExecutor(1) as pool:
        hung = pool.submit(send, port, line("/forecasts"))
        while len(proxy.seen) == asked:  # until the store is being waited for
            assert not hung.done()
        assert send(port, line("/health")).startswith(b"HTTP/1.1 200")
        assert not hung.done()
        proxy.released.set()
        assert hung.result(30).startswith(b"HTTP/1.1 503")
    proxy.released.clear()


def line(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()


def test_a_request_waits_three_seconds_in_all(function: Any, monkeypatch: Any) -> None:
    monkeypatch.undo()
    patience = clients.HURRIED
    silent = patience.attempts * patience.read + sum(PAUSES[: patience.attempts - 1])
    unheard = patience.attempts * patience.connect + sum(PAUSES[: patience.attempts - 1])
    assert max(silent, unheard) <= function.PATIENCE == 3
    assert function.service.on_demand.views.patience == 3
