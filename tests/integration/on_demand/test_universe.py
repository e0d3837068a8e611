"""Of a universe a request is answered from the shard of its tickers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from handlers.local.invoke import LocalContext
from pipeline.encoding import sha256, to_json
from pipeline.record.sharding import assign_shard
from pipeline.record.universe_terms import UniverseTerms
from pipeline.serving.published import parse_latest
from pipeline.views.pages import split_pages
from tests.support.builders import latest_view
from tests.support.on_demand_events import KEY, WINDOW, ColdStart, assert_problem, said

Call = Callable[..., Any]
TICKERS = {0: "IWM", 1: "QQQ", 2: "SPY"}  # of 4


def publish(root: Path, number: int, *tickers: str) -> None:
    view = latest_view()
    forecast = view["tickers"]["SPY"]
    shard = root / f"shard={number:04d}"
    shard.mkdir(parents=True)
    (shard / "latest.json").write_text(
        json.dumps(view | {"tickers": dict.fromkeys(tickers, forecast)})
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "store"
    for number, ticker in TICKERS.items():
        publish(root, number, ticker)
    (root / "universe.json").write_bytes(to_json(UniverseTerms(4, "simulated", "XNYS")))
    return root


@pytest.fixture
def function(root: Path, cold_start: ColdStart) -> Any:
    return cold_start(FORECASTER_UNIVERSE="s3://bucket/store/universe.csv")


@pytest.fixture
def call(function: Any) -> Call:
    def ask(path: str, method: str = "GET", body: Any = None, **headers: str) -> Any:
        http = {"method": method, "path": path, "sourceIp": "127.0.0.1"}
        event = {"version": "2.0", "rawPath": path, "headers": headers}
        event |= {"requestContext": {"http": http}, "isBase64Encoded": False}
        return function.handler(event | {"body": body and json.dumps(body)}, LocalContext())

    return ask


def test_a_ticker_is_answered_from_its_shard(call: Call) -> None:
    for ticker in TICKERS.values():
        answer = call(f"/forecasts/{ticker.lower()}")
        assert answer["statusCode"] == 200
        assert said(answer)["ticker"] == ticker
    assert said(call("/predict", "POST", {"ticker": "QQQ"}))["ticker"] == "QQQ"
    assert said(call("/", "POST", {"ticker": "iwm"}))["ticker"] == "IWM"


def test_only_the_shard_that_is_asked_is_read(function: Any, call: Call, root: Path) -> None:
    (root / "shard=0000" / "latest.json").write_text("{")
    assert call("/forecasts/QQQ")["statusCode"] == 200
    assert_problem(call("/forecasts/IWM"), 503, "store_unavailable")


def test_a_stranger_is_not_found_in_the_shard_that_it_would_be_in(call: Call) -> None:
    assert_problem(call("/forecasts/DIA"), 404, "not_found", "SPY")


def test_who_was_renamed_is_found_where_its_record_is(call: Call, root: Path) -> None:
    publish(root, 3, "META")
    latest = {"session": "2025-06-05", "shards": 4, "published": 1, "withheld": {}, "missing": []}
    latest |= {"moved": {"META": 3}, "manifest_sha256": "a" * 64}
    (root / "universe").mkdir()
    (root / "universe" / "latest.json").write_text(json.dumps(latest))
    assert said(call("/forecasts/META"))["ticker"] == "META"


def test_what_is_of_no_ticker_needs_no_shard(call: Call) -> None:
    assert call("/health")["statusCode"] == 200
    assert call("/openapi.json")["statusCode"] == 200
    assert call("/forecasts/QQQ", "OPTIONS")["statusCode"] == 204
    assert call("/predict", "POST", WINDOW)["statusCode"] == 200
    assert_problem(call("/predict", "POST", {"data": 1}), 422, "invalid_field")


@pytest.mark.parametrize("path", ["/", "/forecasts", "/track-record"])
def test_what_is_of_all_tickers_is_said_to_lie_in_shards(path: str, call: Call) -> None:
    assert_problem(call(path), 404, "not_found", "expected /forecasts/TICKER of a universe")


def test_a_book_over_several_shards_is_refused(call: Call) -> None:
    problem = call("/risk", "POST", {"positions": {"SPY": 100, "QQQ": 10}})
    problem = assert_problem(problem, 422, "invalid_field", "tickers of one shard")
    assert problem["errors"][0]["pointer"] == "#/positions"
    # One shard's alone is answered there, which has no scenarios here.
    assert_problem(call("/risk", "POST", {"positions": {"SPY": 100}}), 503, "not_published")


def test_a_universe_that_has_not_begun_is_not_published(
    cold_start: ColdStart, tmp_path: Path
) -> None:
    (tmp_path / "store").mkdir()
    function = cold_start(FORECASTER_UNIVERSE="u.csv")
    event = {"version": "2.0", "rawPath": "/forecasts/SPY", "headers": {}}
    event |= {"requestContext": {"http": {"method": "GET", "path": "/forecasts/SPY"}}}
    assert_problem(function.handler(event, LocalContext()), 503, "not_published", "universe.json")


def test_who_has_no_key_learns_nothing_of_shards(root: Path, cold_start: ColdStart) -> None:
    function = cold_start(
        FORECASTER_UNIVERSE="u.csv",
        FORECASTER_AUTH="api-key",
        FORECASTER_API_KEY_SHA256=sha256(KEY.encode()),
    )
    (root / "universe.json").unlink()
    event = {"version": "2.0", "rawPath": "/forecasts/SPY", "headers": {}}
    event |= {"requestContext": {"http": {"method": "GET", "path": "/forecasts/SPY"}}}
    assert_problem(function.handler(event, LocalContext()), 401, "unauthorized")
    event["headers"] = {"x-api-key": KEY}
    assert_problem(function.handler(event, LocalContext()), 503, "not_published")


def test_pages_of_a_shard_are_read_from_it(call: Call, root: Path) -> None:
    """A shard of many tickers has an index, and pages beside it."""
    view = latest_view()
    names = sorted(f"A{number}" for number in range(3000) if assign_shard(f"A{number}", 4) == 3)[
        :70
    ]
    tickers = dict.fromkeys(names, view["tickers"]["SPY"])
    data = json.dumps(view | {"tickers": tickers}).encode()
    for key, page in split_pages(parse_latest(data)).items():
        path = root / "shard=0003" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.encode(page))
    assert len(list((root / "shard=0003").rglob("*"))) > 3
    for ticker in (names[0], names[35], names[-1]):
        assert said(call(f"/forecasts/{ticker}"))["ticker"] == ticker
