"""The on-demand function: forecasts, views and methods."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.builders import bar_rows, url_event
from tests.support.on_demand_events import BARS, ROOT, WINDOW, assert_problem, logged, said


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
            assert_problem(
                answer, 404, "not_found", "expected one that is published, like IWM, SPY"
            )

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
