"""What every answer says of how long it may be kept, when to ask again, and what it may do."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest

from handlers.http.messages import Request
from handlers.http.responses import to_problem_response
from handlers.http.routes import Service
from pipeline.errors import ForecasterError, StoreError
from pipeline.forecasting.model import Model
from pipeline.serving.api_keys import digest_key
from pipeline.serving.cached_views import CachedViews
from pipeline.serving.on_demand import OnDemand
from tests.support.builders import bar_rows, bars, latest_view, url_event, window_rows
from tests.support.fakes import MemoryObjects
from tests.support.pages import page as render

BARS = bars()
KEPT, NOT_KEPT = "private, max-age=60", "no-store"
SPY = latest_view()["tickers"]["SPY"]
STORED = {
    "latest.json": json.dumps(latest_view(**{"^VIX": SPY})).encode(),
    "track_record.json": b"{}",
    "index.html": b"<!doctype html>",
}


class BrokenObjects(MemoryObjects):
    """A store that fails at every read."""

    def read(self, key: str) -> bytes | None:
        raise StoreError(f"expected {key}, got a time-out")


def ask(model: Model, store: MemoryObjects, *event: Any, **others: Any) -> dict[str, Any]:
    service = Service(OnDemand(model, CachedViews(store.read, lambda: 0.0)), None)
    try:
        return service.answer(Request.of(url_event(*event, **others))).event()
    except ForecasterError as exc:
        return to_problem_response(exc)[0].event()


@pytest.mark.parametrize(
    "path",
    ["/", "/forecasts", "/forecasts/SPY", "/track-record", "/health", "/openapi.json"],
)
def test_what_is_read_may_be_kept_for_a_minute_by_who_asked(model: Model, path: str) -> None:
    store = MemoryObjects(STORED)
    answer = ask(model, store, "GET", path)
    assert (answer["statusCode"], answer["headers"]["cache-control"]) == (200, KEPT)
    known = {"If-None-Match": answer["headers"]["etag"]}
    again = ask(model, store, "GET", path, headers=known)
    assert (again["statusCode"], again["headers"]["cache-control"]) == (304, KEPT)


@pytest.mark.parametrize(
    ("body", "status"),
    [({"data": window_rows(BARS)}, 200), ({"bars": bar_rows(BARS)}, 200), ({"ticker": "SPY"}, 200),
     ({"ticker": "IWM"}, 503), ({"ticker": "QQQ"}, 404), ({}, 422), ("{", 400)],
)  # fmt: skip
def test_what_is_posted_is_never_kept(model: Model, body: Any, status: int) -> None:
    answer = ask(model, MemoryObjects(STORED), "POST", "/predict", body)
    assert (answer["statusCode"], answer["headers"]["cache-control"]) == (status, NOT_KEPT)


@pytest.mark.parametrize("event", [("GET", "/forecasts/IWM"), ("GET", "/none"), ("PUT", "/health")])
def test_a_refusal_is_never_kept(model: Model, event: tuple[str, str]) -> None:
    answer = ask(model, MemoryObjects(STORED), *event)
    assert answer["statusCode"] >= 400
    assert answer["headers"]["cache-control"] == NOT_KEPT


WITHHELD = [("GET", "/forecasts/IWM"), ("POST", "/predict", {"ticker": "IWM"})]


@pytest.mark.parametrize("event", [*WITHHELD, ("GET", "/forecasts"), ("GET", "/track-record")])
def test_what_is_not_published_is_asked_for_again_in_a_quarter_of_an_hour(
    model: Model, event: tuple[Any, ...]
) -> None:
    store = MemoryObjects(STORED if event in WITHHELD else {})
    answer = ask(model, store, *event)
    assert json.loads(answer["body"])["code"] == "not_published"
    assert (answer["statusCode"], answer["headers"]["retry-after"]) == (503, "900")


@pytest.mark.parametrize("event", [("GET", "/"), ("GET", "/forecasts"), *WITHHELD])
def test_a_store_that_fails_is_asked_again_in_five_seconds(
    model: Model, event: tuple[Any, ...]
) -> None:
    answer = ask(model, BrokenObjects(), *event)
    assert json.loads(answer["body"])["code"] == "store_unavailable"
    assert (answer["statusCode"], answer["headers"]["retry-after"]) == (503, "5")


@pytest.mark.parametrize(
    "event",
    [("GET", "/none"), ("GET", "/forecasts/QQQ"), ("POST", "/predict", {}), ("PUT", "/")],
)
def test_what_can_never_be_answered_is_not_to_be_asked_again(
    model: Model, event: tuple[Any, ...]
) -> None:
    assert "retry-after" not in ask(model, MemoryObjects(STORED), *event)["headers"]


@pytest.mark.parametrize(
    ("path", "ticker"), [("%53PY", "SPY"), ("%73py", "SPY"), ("%5EVIX", "^VIX"), ("%5evix", "^VIX")]
)
def test_a_ticker_may_be_percent_encoded(model: Model, path: str, ticker: str) -> None:
    answer = ask(model, MemoryObjects(STORED), "GET", f"/forecasts/{path}")
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"])["ticker"] == ticker


POLICY = re.compile(r'http-equiv="Content-Security-Policy" content="([^"]+)"')
EVERY = [("GET", path) for path in ("/", "/forecasts", "/health", "/openapi.json", "/none")]


def directives(policy: str) -> dict[str, str]:
    pairs = (directive.strip().partition(" ") for directive in policy.split(";"))
    return {name: sources for name, _, sources in pairs}


@pytest.mark.parametrize(
    "event", [*EVERY, ("HEAD", "/"), ("POST", "/predict", {"ticker": "SPY"}), ("POST", "/", "{")]
)
def test_no_answer_may_load_run_or_be_framed_by_anything(
    model: Model, event: tuple[Any, ...]
) -> None:
    headers = ask(model, MemoryObjects(STORED), *event)["headers"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    policy = directives(headers["content-security-policy"])
    none = ("default-src", "base-uri", "form-action", "frame-ancestors")
    assert {policy.pop(name) for name in none} == {"'none'"}
    assert policy == {}


def policy_of(model: Model, page: bytes) -> tuple[dict[str, str], dict[str, str]]:
    """Return the policy by the header, and by the page's own word."""
    match = POLICY.search(page.decode())
    assert match is not None
    answer = ask(model, MemoryObjects({**STORED, "index.html": page}), "GET", "/")
    assert answer["body"].encode() == page
    return directives(answer["headers"]["content-security-policy"]), directives(match[1])


def test_the_page_may_do_by_its_header_what_its_own_word_says_and_no_more(model: Model) -> None:
    by_header, by_page = policy_of(model, render().encode())
    assert by_header == by_page | {"frame-ancestors": "'none'"}
    assert by_page["script-src"].startswith("'sha256-")


def test_a_page_of_another_version_has_its_own_script(model: Model) -> None:
    digest = f"'sha256-{'A' * 43}='"
    page = re.sub(r"script-src '[^']+'", f"script-src {digest}", render()).encode()
    assert policy_of(model, page)[0]["script-src"] == digest


@pytest.mark.parametrize(
    "wider",
    ["'unsafe-inline'", "https://other.example", "*", "'self'", "'unsafe-eval'", "data:",
     f"'sha256-{'A' * 43}=' *", f"'sha256-{'A' * 42}'", ""],
)  # fmt: skip
def test_a_page_that_asks_for_more_gets_nothing(model: Model, wider: str) -> None:
    page = re.sub(r"script-src '[^']+'", f"script-src {wider}", render()).encode()
    by_header, _ = policy_of(model, page)
    assert by_header.keys() == {"default-src", "base-uri", "form-action", "frame-ancestors"}


def test_a_policy_that_a_ticker_is_called_by_is_none(model: Model) -> None:
    meta = re.search(r"<meta http-equiv=.*?>", render())
    assert meta is not None
    page = b"<!doctype html>" + b" " * 2000 + meta[0].encode()
    by_header, _ = policy_of(model, page)
    assert "script-src" not in by_header


KEY = "fcast_secret"


def guarded(model: Model, method: str, path: str, headers: dict[str, str]) -> dict[str, Any]:
    views = CachedViews(MemoryObjects(STORED).read, lambda: 0.0)
    service = Service(OnDemand(model, views), (digest_key("another"), digest_key(KEY)))
    body = {"ticker": "SPY"} if method == "POST" else None
    try:
        return service.answer(Request.of(url_event(method, path, body, headers))).event()
    except ForecasterError as exc:
        return to_problem_response(exc)[0].event()


def basic(password: str, name: str = "anybody") -> dict[str, str]:
    pair = base64.b64encode(f"{name}:{password}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}


@pytest.mark.parametrize("name", ["", "anybody", "näme"])
@pytest.mark.parametrize("path", ["/", "/forecasts", "/forecasts/SPY", "/track-record"])
def test_a_browser_reads_with_the_key_as_its_password(model: Model, path: str, name: str) -> None:
    for method in ("GET", "HEAD"):
        assert guarded(model, method, path, basic(KEY, name))["statusCode"] == 200


@pytest.mark.parametrize(
    "headers",
    [{}, basic(""), basic(KEY + "x"), basic("x", KEY), basic(digest_key(KEY)),
     {"Authorization": f"Bearer {KEY}"}, {"Authorization": f"Basic {KEY}"},
     {"Authorization": "Basic"}, {"Authorization": "Basic /w=="}, {"Authorization": "Basic é"},
     {"X-API-Key": "wrong", **basic(KEY)}],
)  # fmt: skip
def test_a_browser_without_the_key_is_asked_for_it_at_the_page_alone(
    model: Model, headers: dict[str, str]
) -> None:
    page, others = guarded(model, "GET", "/", headers), guarded(model, "GET", "/forecasts", headers)
    for answer in (page, others):
        assert answer["statusCode"] == 401
        assert answer["headers"]["content-type"] == "application/problem+json"
        assert json.loads(answer["body"])["code"] == "unauthorized"
        assert KEY not in answer["body"]
    asked = 'Basic realm="financial-forecaster", charset="UTF-8", ApiKey header="X-API-Key"'
    assert page["headers"]["www-authenticate"] == asked
    assert others["headers"]["www-authenticate"] == 'ApiKey header="X-API-Key"'


@pytest.mark.parametrize("path", ["/", "/predict"])
def test_by_a_password_that_a_browser_sends_by_itself_nothing_is_done(
    model: Model, path: str
) -> None:
    answer = guarded(model, "POST", path, basic(KEY))
    assert answer["statusCode"] == 401
    assert "Basic" not in answer["headers"]["www-authenticate"]
    assert guarded(model, "POST", path, {"X-API-Key": KEY})["statusCode"] == 200
