"""Who is let in by a version whose URL belongs to another setting than its own.

The setting lives in the version; the URL's AuthType does not. After a rollback or a deployment that
failed half way each of the three settings may meet the URL of each other.
"""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product
from typing import Any, NamedTuple

import pytest

from handlers.http.admission import ORIGIN
from handlers.http.messages import Request
from handlers.http.responses import to_problem_response
from handlers.http.routes import Service
from pipeline.errors import ForecasterError
from pipeline.forecasting.model import Model
from pipeline.serving.api_keys import digest_key
from pipeline.serving.cached_views import CachedViews
from pipeline.serving.on_demand import OnDemand
from tests.support.builders import latest_view, url_event
from tests.support.fakes import MemoryObjects

SETTINGS = ("api-key", "iam", "none")
KEY = "fcast_of-a-test"
SIGNER = {"iam": {"userArn": "arn:aws:iam::123456789012:user/desk", "accessKey": "AKIA"}}
PATHS = ("/", "/forecasts", "/forecasts/SPY", "/track-record", "/health", "/openapi.json")


class Caller(NamedTuple):
    """What somebody who asks brings along."""

    key: bool
    signature: bool


CALLERS = [Caller(*brought) for brought in product((False, True), repeat=2)]


def service(model: Model, setting: str) -> Service:
    stored = {
        "latest.json": json.dumps(latest_view()).encode(),
        "track_record.json": b"{}",
        "index.html": b"<!doctype html>",
    }
    views = CachedViews(MemoryObjects(stored).read, lambda: 0.0)
    keys = (digest_key(KEY),) if setting == "api-key" else None
    return Service(OnDemand(model, views), keys, signed_only=setting == "iam")


def status(service: Service, event: Any) -> int:
    try:
        return service.answer(Request.of(event)).status
    except ForecasterError as exc:
        return to_problem_response(exc)[0].status


def ask(service: Service, url: str, caller: Caller, method: str, path: str) -> int:
    """Ask through a URL of this setting, which with `iam` lets signed requests in alone."""
    if url == "iam" and not caller.signature:
        return 403
    event = url_event(method, path, headers={"x-api-key": KEY} if caller.key else {})
    if url == "iam":
        event["requestContext"]["authorizer"] = SIGNER
    return status(service, event)


def should(setting: str, caller: Caller) -> bool:
    return {"api-key": caller.key, "iam": caller.signature, "none": True}[setting]


@pytest.mark.parametrize(("live", "url"), [*product(SETTINGS, repeat=2)])
def test_nobody_is_let_in_whom_the_version_that_is_live_would_not_let_in(
    model: Model, live: str, url: str
) -> None:
    asked = service(model, live)
    for caller in CALLERS:
        answered = ask(asked, url, caller, "GET", "/forecasts")
        assert (answered == 200) <= should(live, caller), caller
        if live == url:
            assert (answered == 200) == should(live, caller), caller


@pytest.mark.parametrize("path", [*PATHS, "/none"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "OPTIONS"])
def test_where_only_signed_requests_count_nothing_at_all_is_answered_without(
    model: Model, path: str, method: str
) -> None:
    for caller in CALLERS:
        assert ask(service(model, "iam"), "none", caller, method, path) == 403


@pytest.mark.parametrize(
    "authorizer", [None, {}, {"iam": None}, {"iam": {}}, {"jwt": {"claims": {}}}, {"lambda": {}}]
)
def test_who_signed_is_said_by_iam_and_by_nothing_else(model: Model, authorizer: Any) -> None:
    event = url_event("GET", "/forecasts")
    event["requestContext"]["authorizer"] = authorizer
    assert status(service(model, "iam"), event) == 403


@pytest.mark.parametrize("authorizer", [3, [], {"iam": 3}, {"iam": "yes"}])
def test_what_is_no_authorizer_is_no_event(model: Model, authorizer: Any) -> None:
    event = url_event("GET", "/forecasts")
    event["requestContext"]["authorizer"] = authorizer
    assert status(service(model, "iam"), event) == 400


SENT, SENT_BEFORE = "fcast_of-cloudfront", "fcast_of-cloudfront-before"


def behind(model: Model, setting: str) -> Service:
    """A service that answers what CloudFront sends, by either of two secrets."""
    origins = tuple(map(digest_key, (SENT, SENT_BEFORE)))
    return replace(service(model, setting), origins=origins)


@pytest.mark.parametrize("path", [*PATHS, "/predict", "/risk", "/none"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "OPTIONS"])
@pytest.mark.parametrize("setting", ["api-key", "none"])
def test_behind_a_domain_nothing_at_all_is_answered_past_it(
    model: Model, setting: str, method: str, path: str
) -> None:
    asked = behind(model, setting)
    for sent in ({}, {ORIGIN: ""}, {ORIGIN: "guessed"}, {ORIGIN: digest_key(SENT)}):
        event = url_event(method, path, headers={"x-api-key": KEY, **sent})
        assert status(asked, event) == 403
    for secret in (SENT, SENT_BEFORE):
        headers = {"x-api-key": KEY, "X-Origin-Verify": secret}
        event = url_event(method, path, headers=headers)
        without = url_event(method, path, headers={"x-api-key": KEY})
        assert status(asked, event) == status(service(model, setting), without) != 403


def test_the_secret_of_the_domain_opens_nothing_that_a_key_opens(model: Model) -> None:
    for brought in ({}, {"x-api-key": SENT}, {"x-api-key": "fcast_of-another"}):
        event = url_event("GET", "/forecasts", headers={ORIGIN: SENT, **brought})
        assert status(behind(model, "api-key"), event) == 401


def test_who_invokes_directly_comes_by_no_domain(model: Model) -> None:
    assert status(behind(model, "api-key"), {"method": "GET", "path": "/forecasts"}) == 200
