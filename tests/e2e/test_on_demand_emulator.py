"""The on-demand function as Lambda runs it: Python 3.13, locked dependencies, the real runtime."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.serving.api_keys import digest_key
from tests.e2e.emulator import Emulator, emulator
from tests.support.builders import bar_rows, bars, latest_view, url_event, window_rows
from tests.support.openapi import assert_documented
from tests.support.s3_server import BUCKET, s3_server

pytestmark = pytest.mark.emulator

HANDLER = "handlers.on_demand.handler"
KEY = "fcast_of-a-test"
BARS = bars()
WINDOW = {"data": window_rows(BARS)}
WITH_BARS = {"bars": bar_rows(BARS), "ticker": "SPY"}
GAINS = [[1.1] * 11] * 5


@pytest.fixture(scope="module")
def function(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """The function on a store in S3, guarded by a key."""
    folder = tmp_path_factory.mktemp("function")
    with s3_server() as server:
        view = json.dumps(latest_view(GAINS)).encode()
        server.client.put_object(Bucket=BUCKET, Key="served/latest.json", Body=view)
        environ = {
            **server.environ,
            "FORECASTER_STORE": f"s3://{BUCKET}/served",
            "FORECASTER_API_KEY_SHA256": digest_key(KEY),
        }
        with emulator(folder, environ, HANDLER) as running:
            yield running


def post(document: Any) -> dict[str, Any]:
    return url_event("POST", "/predict", document, {"x-api-key": KEY})


@pytest.mark.parametrize(
    "event",
    [post(WINDOW), post(WITH_BARS), post({"ticker": "SPY"}), {"body": json.dumps(WINDOW)}],
    ids=["data", "bars", "ticker", "direct"],
)
def test_each_way_to_ask_is_answered(function: Emulator, event: Any) -> None:
    answer = function.invoke(event)
    assert answer["statusCode"] == 200
    said = assert_documented(answer)
    assert [one["horizon"] for one in said["horizons"]] == [1, 2, 3, 4, 5]


def test_the_numbers_are_those_of_a_desk(function: Emulator, tmp_path: Path) -> None:
    from pipeline.forecasting.bundle import load_bundle
    from pipeline.forecasting.model import Model
    from pipeline.serving.cached_views import CachedViews
    from pipeline.serving.on_demand import OnDemand
    from pipeline.serving.requests import parse_request
    from tests.conftest import DEFAULT_BUNDLE

    view = json.dumps(latest_view(GAINS)).encode()
    at_a_desk = OnDemand(
        Model(load_bundle(DEFAULT_BUNDLE)), CachedViews(lambda _: view, lambda: 0.0)
    )
    expected = at_a_desk.predict(parse_request(json.dumps(WITH_BARS).encode()))
    said = json.loads(function.invoke(post(WITH_BARS))["body"])
    assert said["calibrated"] is expected.calibrated is True
    assert said["prediction"] == pytest.approx(expected.prediction, rel=1e-9)
    assert said["interval_95"] == pytest.approx(list(expected.interval_95), rel=1e-9)


def test_what_is_wrong_is_a_problem_and_no_failure(function: Emulator) -> None:
    for event, status in (
        (url_event("POST", "/predict", WINDOW), 401),
        (url_event("GET", "/none", headers={"x-api-key": KEY}), 404),
        (post("[" * 200_000), 422),
        (post("{"), 400),
        (post("x" * 300_000), 413),
        (post({"ticker": "IWM"}), 503),
        ({}, 400),
        ([1], 400),
    ):
        answer = function.invoke(event)
        assert answer["statusCode"] == status
        assert answer["headers"]["content-type"] == "application/problem+json"


def test_logs_and_metrics_are_where_lambda_wants_them(function: Emulator) -> None:
    before = len(function.printed)
    function.invoke(url_event("GET", "/health"))
    line, metrics = sorted(function.printed[before:], key=lambda one: "_aws" in one)
    assert (line["message"], line["service"], line["status"]) == ("answered", "on_demand", 200)
    assert line["function_request_id"]
    assert metrics["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "financial-forecaster"
    assert (metrics["requests"], metrics["client_errors"]) == (1, 0)
    assert KEY not in function.out.read_text() + function.err.read_text()


def test_without_a_key_s_digest_it_does_not_start(tmp_path: Path) -> None:
    with emulator(tmp_path, {"FORECASTER_STORE": "s3://bucket"}, HANDLER) as refused:
        answer = refused.invoke(post(WINDOW))
    assert answer["errorType"] == "ConfigError"
    assert "FORECASTER_API_KEY_SHA256: expected" in answer["errorMessage"]
