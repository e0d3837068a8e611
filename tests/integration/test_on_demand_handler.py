"""The on-demand function in this process: events in, answers, logs, metrics and traces out."""

from __future__ import annotations

import base64
import importlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from handlers.local.invoke import LocalContext
from pipeline.errors import ConfigError
from pipeline.serving.api_keys import digest_key
from tests.support.builders import bar_rows, bars, latest_view, url_event, window_rows
from tests.support.s3_server import BUCKET, S3, s3_server

ROOT = Path(__file__).resolve().parents[2]
BARS = bars()
WINDOW = {"data": window_rows(BARS)}
KEY, OTHER_KEY = "fcast_of-a-test", "fcast_of-another"
ColdStart = Callable[..., Any]


@pytest.fixture
def cold_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ColdStart]:
    """Gives what imports the function anew, in an environment of these variables alone."""

    def start(**environ: str) -> Any:
        for name in list(os.environ):
            if name.startswith(("AWS_", "FORECASTER_", "_X_AMZN")):
                monkeypatch.delenv(name)
        default = {"FORECASTER_STORE": str(tmp_path / "store"), "FORECASTER_AUTH": "none"}
        for name, value in {**default, **environ}.items():
            monkeypatch.setenv(name, value)
        sys.modules.pop("handlers.on_demand", None)
        return importlib.import_module("handlers.on_demand")

    yield start
    sys.modules.pop("handlers.on_demand", None)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """The folder the function reads its views from."""
    folder = tmp_path / "store"
    folder.mkdir()
    (folder / "latest.json").write_text(json.dumps(latest_view()))
    (folder / "track_record.json").write_text('{"days": 3}\n')
    (folder / "index.html").write_text("<!doctype html><p>forecasts ±</p>")
    return folder


@pytest.fixture
def call(cold_start: ColdStart) -> Callable[..., Any]:
    """Calls the function, made at the first call, with an event."""
    made: list[Any] = []

    def invoke(event: Any) -> Any:
        if not made:
            made.append(cold_start())
        return made[0].handler(event, LocalContext())

    return invoke


def said(answer: Mapping[str, Any]) -> Any:
    return json.loads(answer["body"])


def assert_problem(answer: Mapping[str, Any], status: int, code: str, *words: str) -> Any:
    assert answer["statusCode"] == status, answer
    assert answer["headers"]["content-type"] == "application/problem+json"
    problem = said(answer)
    assert (problem["status"], problem["code"]) == (status, code)
    for word in words:
        assert word in problem["detail"]
    return problem


class TestPredict:
    @pytest.mark.parametrize("path", ["/predict", "/", "/predict/"])
    def test_a_window_is_answered(self, call: Any, path: str) -> None:
        answer = call(url_event("POST", path, WINDOW))
        assert answer["statusCode"] == 200
        assert answer["headers"]["content-type"] == "application/json"
        forecast = said(answer)
        lower, upper = forecast["interval_95"]
        assert lower < forecast["prediction"] < upper
        assert forecast["confidence_gap"] == pytest.approx((upper - lower) / 2, rel=5e-9)
        assert set(forecast["intervals"]) == {"50", "80", "90", "95", "98"}
        assert "ticker" not in forecast

    def test_every_way_to_ask_gives_the_same_answer(self, call: Any) -> None:
        text = json.dumps(WINDOW)
        encoded = base64.b64encode(text.encode()).decode()
        events = [
            url_event("POST", "/predict", text),
            url_event("POST", "/", text),
            url_event("POST", "/predict", encoded, isBase64Encoded=True),
            {"body": text},
            {"body": encoded, "isBase64Encoded": True},
        ]
        bodies = {call(event)["body"] for event in events}
        assert len(bodies) == 1

    def test_bars_and_a_published_ticker_are_answered(self, call: Any, store: Path) -> None:
        made = said(call(url_event("POST", "/predict", {"bars": bar_rows(BARS)})))
        assert (made["origin_date"], made["calibrated"]) == ("2024-12-27", False)
        published = said(call(url_event("POST", "/predict", {"ticker": "SPY"})))
        assert (published["ticker"], published["target_date"]) == ("SPY", "2024-12-30")

    @pytest.mark.parametrize(
        "media",
        ["application/json", "application/json; charset=utf-8", "application/ld+json", "text/plain",
         "application/x-www-form-urlencoded", ""],
    )  # fmt: skip
    def test_json_is_read_as_curl_and_browsers_send_it(self, call: Any, media: str) -> None:
        event = url_event("POST", "/predict", WINDOW, {"Content-Type": media})
        assert call(event)["statusCode"] == 200

    @pytest.mark.parametrize(
        "headers",
        [{"content-type": "text/csv"}, {"content-type": "multipart/form-data; boundary=x"},
         {"content-encoding": "gzip"}],
    )  # fmt: skip
    def test_another_kind_of_body_is_refused(self, call: Any, headers: dict[str, str]) -> None:
        event = url_event("POST", "/predict", WINDOW, headers)
        assert_problem(call(event), 415, "unsupported_media_type", "got ")

    def test_a_body_over_256_kib_is_refused_before_it_is_parsed(self, call: Any) -> None:
        fits = json.dumps(WINDOW).ljust(256 * 1024)
        assert call(url_event("POST", "/predict", fits))["statusCode"] == 200
        over, many = fits + " ", "é" * (150 * 1024)
        for body in (over, many, "[" * 10_000_000):
            answer = call(url_event("POST", "/predict", body))
            assert_problem(answer, 413, "body_too_large", "at most 262144 bytes")
            encoded = base64.b64encode(body.encode()).decode()
            answer = call(url_event("POST", "/predict", encoded, isBase64Encoded=True))
            assert_problem(answer, 413, "body_too_large")

    @pytest.mark.parametrize("body", ["§", "a", "=" * 9, "\ud800"])
    def test_what_is_no_base64_is_refused(self, call: Any, body: str) -> None:
        answer = call(url_event("POST", "/predict", body, isBase64Encoded=True))
        assert_problem(answer, 400, "invalid_json", "base64")

    def test_a_wrong_field_is_named(self, call: Any) -> None:
        answer = call(url_event("POST", "/predict", {"data": WINDOW["data"][:59]}))
        problem = assert_problem(answer, 422, "invalid_field")
        assert problem["errors"] == [
            {"pointer": "#/data", "expected": "an array of length >= 60", "got": "an array of 59"}
        ]

    @pytest.mark.parametrize(
        "event",
        [
            None,
            [],
            "",
            3,
            {},
            {"body": None},
            {"body": {}},
            {"requestContext": {}, "body": "{}"},
            {"requestContext": None},
            {"requestContext": {"http": {"method": "GET"}}, "rawPath": None},
        ],
    )
    def test_what_is_no_event_is_refused(self, call: Any, event: Any) -> None:
        problem = assert_problem(call(event), 400, "bad_request", 'or {"body": "..."}, got')
        assert "errors" not in problem


class TestViews:
    @pytest.mark.parametrize(
        "path",
        ["/forecasts", "/forecasts/SPY", "/forecasts/spy/", "/track-record", "/health",
         "/openapi.json", "/"],
    )  # fmt: skip
    def test_what_is_read_is_read_once(self, call: Any, store: Path, path: str) -> None:
        answer = call(url_event("GET", path))
        assert answer["statusCode"] == 200
        etag = answer["headers"]["etag"]
        for known in (etag, f'"other", W/{etag}', "*"):
            again = call(url_event("GET", path, headers={"If-None-Match": known}))
            assert (again["statusCode"], again["body"]) == (304, "")
            assert again["headers"]["etag"] == etag
        other = call(url_event("GET", path, headers={"If-None-Match": '"other"'}))
        assert (other["statusCode"], other["body"]) == (200, answer["body"])
        head = call(url_event("HEAD", path))
        assert (head["statusCode"], head["body"]) == (200, "")
        assert head["headers"] == answer["headers"]

    def test_the_newest_forecasts_are_shown(self, call: Any, store: Path) -> None:
        shown = said(call(url_event("GET", "/forecasts")))
        assert (shown["session"], list(shown["tickers"])) == ("2024-12-27", ["IWM", "SPY"])
        assert shown["tickers"]["IWM"]["status"] == "withheld:stale"
        of_ticker = said(call(url_event("GET", "/forecasts/SPY")))
        assert of_ticker == said(call(url_event("POST", "/predict", {"ticker": "SPY"})))
        assert of_ticker["horizons"] == shown["tickers"]["SPY"]["horizons"]

    def test_the_track_record_and_the_page_are_given_as_they_lie_there(
        self, call: Any, store: Path
    ) -> None:
        assert call(url_event("GET", "/track-record"))["body"] == '{"days": 3}\n'
        page = call(url_event("GET", "/"))
        assert page["headers"]["content-type"] == "text/html; charset=utf-8"
        assert page["body"] == "<!doctype html><p>forecasts ±</p>"

    def test_what_is_not_there_yet_is_for_later(self, call: Any) -> None:
        for path in ("/forecasts", "/forecasts/SPY", "/track-record"):
            answer = call(url_event("GET", path))
            assert_problem(answer, 503, "not_published", "found none yet")
            assert int(answer["headers"]["retry-after"]) > 0
        page = call(url_event("GET", "/"))
        assert_problem(page, 404, "not_found", "expected the page index.html in the store")

    def test_a_withheld_ticker_is_for_later_and_an_unknown_one_is_not(
        self, call: Any, store: Path
    ) -> None:
        answer = call(url_event("GET", "/forecasts/IWM"))
        assert_problem(answer, 503, "not_published", "withheld:stale")
        for unknown in ("QQQ", "%5EGSPC", "", "a/b", "%00"):
            answer = call(url_event("GET", f"/forecasts/{unknown}x"))
            assert_problem(answer, 404, "not_found", "expected one of IWM, SPY")

    def test_a_damaged_view_is_nobody_s_business(self, call: Any, store: Path, capsys: Any) -> None:
        (store / "latest.json").write_text("{")
        answer = call(url_event("GET", "/forecasts"))
        assert_problem(answer, 503, "store_unavailable", "the logs say why")
        printed = capsys.readouterr()
        (line,), (metrics,) = logged(printed.err), logged(printed.out)
        assert (line["level"], line["exception_name"]) == ("ERROR", "StoreError")
        assert (metrics["client_errors"], metrics["server_errors"]) == (0, 1)
        assert "latest.json: expected the forecasts of a session" in line["exception"]

    def test_the_openapi_document_is_the_one_in_the_repository(self, call: Any) -> None:
        document = (ROOT / "handlers" / "http" / "openapi.json").read_text()
        assert call(url_event("GET", "/openapi.json"))["body"] == document


class TestMethods:
    @pytest.mark.parametrize(
        ("method", "path", "allow"),
        [
            ("GET", "/predict", "POST, OPTIONS"),
            ("PUT", "/", "GET, POST, HEAD, OPTIONS"),
            ("DELETE", "/forecasts", "GET, HEAD, OPTIONS"),
            ("POST", "/forecasts/SPY", "GET, HEAD, OPTIONS"),
            ("get", "/health", "GET, HEAD, OPTIONS"),
        ],
    )
    def test_a_wrong_method_hears_which_are_right(
        self, call: Any, method: str, path: str, allow: str
    ) -> None:
        answer = call(url_event(method, path))
        assert_problem(answer, 405, "method_not_allowed", allow)
        assert answer["headers"]["allow"] == allow

    def test_a_slash_too_many_is_forgiven(self, call: Any) -> None:
        assert call(url_event("GET", "//health"))["statusCode"] == 200

    @pytest.mark.parametrize("path", ["/none", "/predict/x", "/forecast", "//", "/../health"])
    def test_an_unknown_path_hears_which_there_are(self, call: Any, path: str) -> None:
        answer = call(url_event("GET", path))
        if path == "//":
            assert_problem(answer, 404, "not_found", "index.html")
        else:
            assert_problem(answer, 404, "not_found", "expected one of /, /predict, /risk")

    @pytest.mark.parametrize("path", ["/predict", "/", "/forecasts/SPY", "/health"])
    def test_a_page_from_anywhere_may_ask(self, call: Any, path: str) -> None:
        preflight = call(url_event("OPTIONS", path))
        assert (preflight["statusCode"], preflight["body"]) == (204, "")
        headers = preflight["headers"]
        assert headers["access-control-allow-origin"] == "*"
        assert "X-API-Key" in headers["access-control-allow-headers"]
        assert headers["access-control-allow-methods"] == headers["allow"]
        refused = call(url_event("POST", "/predict", "{"))
        assert refused["headers"]["access-control-allow-origin"] == "*"


class TestKeys:
    @pytest.fixture
    def guarded(self, cold_start: ColdStart, store: Path) -> Any:
        digests = f" {digest_key(KEY).upper()} , {digest_key(OTHER_KEY)}"
        function = cold_start(FORECASTER_AUTH="api-key", FORECASTER_API_KEY_SHA256=digests)
        return lambda event: function.handler(event, LocalContext())

    @pytest.mark.parametrize("key", [KEY, OTHER_KEY])
    def test_each_of_several_keys_opens(self, guarded: Any, key: str) -> None:
        headers = {"X-Api-Key": key}
        assert guarded(url_event("POST", "/predict", WINDOW, headers))["statusCode"] == 200
        assert guarded(url_event("GET", "/forecasts", headers=headers))["statusCode"] == 200

    @pytest.mark.parametrize("key", ["\ud800", None, 5, [KEY]])
    def test_a_key_that_is_no_text_is_refused(self, guarded: Any, key: Any) -> None:
        event = url_event("GET", "/forecasts", headers={"x-api-key": key})
        assert_problem(guarded(event), 400, "bad_request")

    @pytest.mark.parametrize(
        "headers",
        [{}, {"x-api-key": ""}, {"x-api-key": KEY + "x"}, {"x-api-key": digest_key(KEY)},
         {"authorization": KEY}],
    )  # fmt: skip
    def test_without_a_valid_key_nothing_is_told(self, guarded: Any, headers: Any) -> None:
        for method, path in (("POST", "/predict"), ("GET", "/forecasts"), ("HEAD", "/")):
            answer = guarded(url_event(method, path, "{", headers))
            assert_problem(answer, 401, "unauthorized", "X-API-Key")
            assert "www-authenticate" in answer["headers"]

    def test_health_document_and_preflight_need_no_key(self, guarded: Any) -> None:
        for path in ("/health", "/openapi.json"):
            assert guarded(url_event("GET", path))["statusCode"] == 200
        assert guarded(url_event("OPTIONS", "/predict"))["statusCode"] == 204

    def test_who_may_invoke_the_function_itself_needs_no_key(self, guarded: Any) -> None:
        assert guarded({"body": json.dumps(WINDOW)})["statusCode"] == 200

    def test_a_key_is_never_written_anywhere(self, guarded: Any, capsys: Any) -> None:
        wrong = "fcast_wrong"
        answers = [
            guarded(url_event("POST", "/predict", WINDOW, {"x-api-key": key}))
            for key in (KEY, wrong)
        ]
        printed = capsys.readouterr()
        told = json.dumps(answers) + printed.out + printed.err
        for secret in (KEY, OTHER_KEY, wrong):
            assert secret not in told
            assert digest_key(secret) not in told

    def test_by_choice_no_key_is_asked_for(self, cold_start: ColdStart) -> None:
        function = cold_start(FORECASTER_AUTH="none")
        answer = function.handler(url_event("POST", "/predict", WINDOW), LocalContext())
        assert answer["statusCode"] == 200

    def test_with_iam_it_is_aws_that_must_name_who_signed(self, cold_start: ColdStart) -> None:
        function = cold_start(FORECASTER_AUTH="iam")
        event = url_event("POST", "/predict", WINDOW)
        assert_problem(function.handler(event, LocalContext()), 403, "forbidden", "signed")
        event["requestContext"]["authorizer"] = {"iam": {"userArn": "arn:aws:iam::1:user/n"}}
        assert function.handler(event, LocalContext())["statusCode"] == 200
        assert function.handler({"body": event["body"]}, LocalContext())["statusCode"] == 200

    @pytest.mark.parametrize("environ", [{}, {"FORECASTER_AUTH": "api-key"}])
    def test_without_keys_it_does_not_start(
        self, cold_start: ColdStart, monkeypatch: pytest.MonkeyPatch, environ: Any
    ) -> None:
        monkeypatch.delenv("FORECASTER_AUTH", raising=False)
        with pytest.raises(ConfigError, match="FORECASTER_API_KEY_SHA256: expected"):
            cold_start(**{"FORECASTER_AUTH": "api-key", **environ})


def logged(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


class TestTelemetry:
    def test_each_call_is_one_line_and_one_set_of_metrics(self, call: Any, capsys: Any) -> None:
        for body in (json.dumps(WINDOW), "{", json.dumps({"ticker": "SPY"})):
            call(url_event("POST", "/predict", body))
        printed = capsys.readouterr()
        lines, metrics = logged(printed.err), logged(printed.out)
        assert [line["status"] for line in lines] == [200, 400, 503]
        assert [line["level"] for line in lines] == ["INFO", "INFO", "INFO"]
        assert [line["cold_start"] for line in lines] == [True, False, False]
        assert {(line["service"], line["method"], line["path"]) for line in lines} == {
            ("on_demand", "POST", "/predict")
        }
        assert [line.get("code") for line in lines] == [None, "invalid_json", "not_published"]
        counted = [[m["requests"], m["client_errors"], m["server_errors"]] for m in metrics]
        assert counted == [[1, 0, 0], [1, 1, 0], [1, 0, 0]]
        assert all(m["latency"] > 0 and m["model_version"] for m in metrics)

    def test_metrics_have_the_format_of_cloudwatch(self, call: Any, capsys: Any) -> None:
        for _ in range(2):
            call(url_event("GET", "/health"))
        first, second = logged(capsys.readouterr().out)
        own, cold = first["_aws"]["CloudWatchMetrics"]
        assert second["_aws"]["CloudWatchMetrics"] == [own]
        assert own["Namespace"] == cold["Namespace"] == "financial-forecaster"
        assert (own["Dimensions"], cold["Dimensions"]) == (
            [["function", "service"]],
            [["function_name", "service"]],
        )
        assert {one["Name"]: one["Unit"] for one in own["Metrics"]} == {
            "requests": "Count",
            "client_errors": "Count",
            "server_errors": "Count",
            "latency": "Milliseconds",
        }
        for directive in (own, cold):
            named = [one["Name"] for one in directive["Metrics"]]
            assert all(name in first for name in (*named, *directive["Dimensions"][0]))

    def test_what_nobody_thought_of_is_a_500_with_its_stack_in_the_log(
        self, cold_start: ColdStart, capsys: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        function = cold_start()
        event = url_event("GET", "/health")
        monkeypatch.setattr(function, "service", None)
        assert_problem(function.handler(event, LocalContext()), 500, "internal_error", "the logs")
        printed = capsys.readouterr()
        (line,), (metrics,) = logged(printed.err), logged(printed.out)
        assert (line["level"], line["exception_name"]) == ("ERROR", "AttributeError")
        assert "Traceback" in line["exception"]
        counted = [metrics[name] for name in ("requests", "client_errors", "server_errors")]
        assert counted == [1, 0, 1]

    def test_a_sampled_call_is_traced_down_to_the_store(
        self, cold_start: ColdStart, store: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
    ) -> None:
        root, parent = "1-676f3a28-0123456789abcdef01234567", "0123456789abcdef"
        with socket.socket(type=socket.SOCK_DGRAM) as daemon:
            daemon.bind(("127.0.0.1", 0))
            daemon.settimeout(10)
            address = f"127.0.0.1:{daemon.getsockname()[1]}"
            function = cold_start(AWS_XRAY_DAEMON_ADDRESS=address)
            for sampled in (0, 1):
                header = f"Root={root};Parent={parent};Sampled={sampled}"
                monkeypatch.setenv("_X_AMZN_TRACE_ID", header)
                function.handler(url_event("GET", "/forecasts"), LocalContext())
                function.handler(url_event("GET", "/none"), LocalContext())
                function.service.on_demand.views._kept.clear()
            received = [daemon.recv(65536).split(b"\n", 1) for _ in range(3)]
            daemon.setblocking(False)
            with pytest.raises(BlockingIOError):
                daemon.recv(1)
        assert {head for head, _ in received} == {b'{"format":"json","version":1}'}
        read, handled, refused = (json.loads(segment) for _, segment in received)
        assert [one["name"] for one in (read, handled, refused)] == ["store"] + 2 * ["## handler"]
        assert read["parent_id"] == handled["id"] != refused["id"]
        assert handled["parent_id"] == refused["parent_id"] == parent
        assert {one["trace_id"] for one in (read, handled, refused)} == {root}
        lines = logged(capsys.readouterr().err)
        assert [line["xray_trace_id"] for line in lines] == [root] * 4
        assert (handled["error"], refused["error"], refused["fault"]) == (False, True, False)
        assert (
            handled["start_time"] <= read["start_time"] <= read["end_time"] <= handled["end_time"]
        )


class TestWeight:
    """A fresh process: what it loads, and when."""

    HEAVY = (
        "pandas", "pyarrow", "yfinance", "exchange_calendars", "torch", "sklearn", "onnx",
        "pydantic", "scipy", "arch", "typer", "rich", "aws_lambda_powertools", "aws_xray_sdk",
    )  # fmt: skip

    def loaded(self, events: list[Any], **environ: str) -> tuple[list[int], set[str]]:
        code = (
            "import contextlib, io, json, sys\n"
            "from handlers.on_demand import handler\n"
            "from handlers.local.invoke import LocalContext\n"
            "with contextlib.redirect_stdout(io.StringIO()):\n"
            "    answers = [handler(e, LocalContext()) for e in json.load(sys.stdin)]\n"
            "print(json.dumps([[a['statusCode'] for a in answers], sorted(sys.modules)]))"
        )
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", code],
            cwd=ROOT,
            env={"FORECASTER_AUTH": "none", "PYTHONPATH": str(ROOT), **environ},
            input=json.dumps(events),
            check=True,
            capture_output=True,
            text=True,
        )
        statuses, modules = json.loads(done.stdout)
        return statuses, {name.partition(".")[0] for name in modules}

    def test_no_request_of_a_folder_s_store_loads_a_heavy_library(self, store: Path) -> None:
        events = [
            url_event("POST", "/predict", WINDOW),
            url_event("POST", "/predict", {"bars": bar_rows(BARS), "ticker": "SPY"}),
            url_event("POST", "/predict", {"ticker": "SPY"}),
            url_event("GET", "/forecasts"),
            url_event("GET", "/openapi.json"),
            url_event("POST", "/predict", '{"data": NaN}'),
        ]
        statuses, modules = self.loaded(events, FORECASTER_STORE=str(store))
        assert statuses == [200, 200, 200, 200, 200, 422]
        assert modules.isdisjoint({*self.HEAVY, "boto3", "botocore"})

    def test_boto3_is_loaded_by_the_first_request_that_needs_s3(self) -> None:
        with s3_server() as server:
            self.put(server, "latest.json", json.dumps(latest_view()).encode())
            environ = {**server.environ, "FORECASTER_STORE": f"s3://{BUCKET}/served"}
            window, ticker = (url_event("POST", "/predict", d) for d in (WINDOW, {"ticker": "SPY"}))
            without = self.loaded([window, url_event("GET", "/health")], **environ)
            with_s3 = self.loaded([window, ticker], **environ)
        assert without[0] == with_s3[0] == [200, 200]
        assert without[1].isdisjoint({*self.HEAVY, "boto3", "botocore"})
        assert "boto3" in with_s3[1]
        assert with_s3[1].isdisjoint(self.HEAVY)

    def put(self, server: S3, key: str, data: bytes) -> None:
        server.client.put_object(Bucket=BUCKET, Key=f"served/{key}", Body=data)

    def test_an_s3_that_does_not_answer_is_for_later(self) -> None:
        environ = {"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9", "AWS_DEFAULT_REGION": "us-east-1"}
        keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
        events = [url_event("GET", "/forecasts"), url_event("POST", "/predict", WINDOW)]
        store = {"FORECASTER_STORE": f"s3://{BUCKET}/served", "AWS_MAX_ATTEMPTS": "1"}
        assert self.loaded(events, **environ, **keys, **store)[0] == [503, 200]
