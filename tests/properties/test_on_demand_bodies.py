"""Whatever is sent to POST /predict: an answer of the document, never a NaN, and no 5xx but one.

That one is 503 `not_published`, of the ticker that the view withholds.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handlers.http.messages import Request, Response
from handlers.http.responses import to_problem_response
from handlers.http.routes import Service
from pipeline.errors import ForecasterError
from pipeline.forecasting.model import Model
from pipeline.serving.cached_views import CachedViews
from pipeline.serving.on_demand import OnDemand
from pipeline.serving.requests import RANGES
from tests.support.builders import bar_rows, bars, latest_view, url_event, weekdays, window_rows
from tests.support.fakes import MemoryObjects
from tests.support.openapi import assert_documented

BARS = bars(n=130)
VIX = [[str(day), 15.0] for day in BARS.session]
REQUESTS: list[dict[str, Any]] = [
    {"data": window_rows(BARS), "ticker": "SPY"},
    {"bars": bar_rows(BARS), "vix": VIX, "ticker": "SPY"},
    {"ticker": "SPY"},
    {"ticker": "IWM"},
]
TEXTS = [json.dumps(request) for request in REQUESTS]
GAINS = [[1.1] * 11] * 5
ENDED = (200, 400, 404, 413, 422, 503)  # answered, refused, no such ticker, not published yet
MANY = settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
Post = Callable[[Any], dict[str, Any]]


@pytest.fixture(scope="module")
def post(model: Model) -> Post:
    """Sends a body to POST /predict; gives the answer, which the document must know."""
    store = MemoryObjects({"latest.json": json.dumps(latest_view(GAINS)).encode()})
    service = Service(OnDemand(model, CachedViews(store.read, lambda: 0.0)), None)

    def send(body: bytes) -> dict[str, Any]:
        encoded = base64.b64encode(body).decode()
        request = Request.of(url_event("POST", "/predict", encoded, isBase64Encoded=True))
        answer = answered(service, request).event()
        said = assert_documented(answer)
        if answer["statusCode"] >= 500:
            # The view withholds one ticker: its forecast, and nothing else, is for later.
            assert (answer["statusCode"], said["code"]) == (503, "not_published")
            assert json.loads(body)["ticker"].upper() == "IWM"
        return answer

    return send


def answered(service: Service, request: Request) -> Response:
    try:
        return service.answer(request)
    except ForecasterError as exc:
        return to_problem_response(exc)[0]


numbers = st.one_of(
    st.floats(),
    st.integers(),
    st.sampled_from([0, -0.0, 5e-324, 1.7e308, 2**53 + 1, 10**400, -1, float("nan"), 1e-7]),
)
atoms = st.one_of(st.none(), st.booleans(), numbers, st.text(max_size=20), st.dates().map(str))
documents = st.recursive(
    atoms,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(
            st.sampled_from(["data", "bars", "vix", "ticker", "x"]), inner, max_size=4
        )
    ),
    max_leaves=20,
)


@st.composite
def disturbed(draw: st.DrawFn) -> Any:
    """A valid request in which some values, rows or fields are replaced, dropped or doubled."""
    document = json.loads(draw(st.sampled_from(TEXTS)))
    for _ in range(draw(st.integers(1, 3))):
        holder, key = place(draw, document)
        what = draw(st.sampled_from(["replace", "replace", "drop", "double"]))
        if what == "replace":
            holder[key] = draw(atoms | documents)
        elif what == "drop":
            del holder[key]
        elif isinstance(holder, list):
            holder.insert(key, deepcopy(holder[key]))
        if not document:
            break
    return document


def place(draw: st.DrawFn, holder: Any) -> tuple[Any, Any]:
    """Choose where to disturb: a container in the document and a key in it."""
    keys = list(holder) if isinstance(holder, dict) else range(len(holder))
    key = draw(st.sampled_from(keys))
    inner = holder[key]
    if isinstance(inner, (dict, list)) and inner and draw(st.integers(0, 3)):
        return place(draw, inner)
    return holder, key


@pytest.mark.parametrize("ticker", ["IWM", "iwm"])
def test_the_ticker_that_is_withheld_is_for_later_alone_and_answered_with_bars(
    post: Post, ticker: str
) -> None:
    assert post(json.dumps({"ticker": ticker}).encode())["statusCode"] == 503
    with_bars = {"bars": bar_rows(BARS), "ticker": ticker}
    assert post(json.dumps(with_bars).encode())["statusCode"] == 200


@MANY
@given(body=st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_bytes_that_mean_nothing_are_refused(post: Post, body: bytes) -> None:
    assert post(body)["statusCode"] in (400, 422)


@MANY
@given(document=documents)
def test_any_json_is_refused_or_answered(post: Post, document: Any) -> None:
    assert post(json.dumps(document).encode())["statusCode"] in ENDED


@MANY
@given(document=disturbed())
def test_a_disturbed_request_is_refused_or_answered(post: Post, document: Any) -> None:
    assert post(json.dumps(document).encode())["statusCode"] in ENDED


@MANY
@given(data=st.data())
def test_a_request_with_broken_bytes_is_refused_or_answered(post: Post, data: Any) -> None:
    body = bytearray(data.draw(st.sampled_from(TEXTS)).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body) - 1))
        body[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
        body = body or bytearray(b"{}")
    assert post(bytes(body))["statusCode"] in ENDED


@MANY
@given(seed=st.integers(0, 2**32 - 1), extreme=st.floats(0, 1))
def test_any_window_within_the_ranges_has_an_ordered_forecast(
    post: Post, seed: int, extreme: float
) -> None:
    random = np.random.default_rng(seed)
    low, high = np.array(list(RANGES.values())).T
    window = np.where(
        random.random((60, 12)) < extreme,
        np.where(random.random((60, 12)) < 0.5, low, high),
        random.uniform(low, high, (60, 12)),
    )
    answer = post(json.dumps({"data": window.tolist()}).encode())
    assert answer["statusCode"] == 200, answer["body"]
    for one in json.loads(answer["body"])["horizons"]:
        limits = one["intervals"]
        lowers = [limits[c][0] for c in ("98", "95", "90", "80", "50")]
        uppers = [limits[c][1] for c in ("50", "80", "90", "95", "98")]
        ordered = [*lowers, one["prediction"], *uppers]
        assert ordered == sorted(ordered)
        assert ordered[0] > 0


def bars_of(seed: int, scale: float, level: float) -> list[list[Any]]:
    random = np.random.default_rng(seed)
    close = np.exp(level + np.cumsum(random.normal(0, scale, 126)))
    open_ = close * np.exp(random.normal(0, scale, 126))
    high, low = np.maximum(open_, close), np.minimum(open_, close)
    days = (str(day) for day in weekdays(126))
    rows = zip(days, *(c.tolist() for c in (open_, high, low, close)), strict=True)
    return [[*row, 0.0] for row in rows]


@MANY
@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(1e-9, 0.5), level=st.floats(-13, 20))
def test_any_bars_are_answered_or_the_row_is_named(
    post: Post, seed: int, scale: float, level: float
) -> None:
    walk = bars_of(seed, scale, level)
    answer = post(json.dumps({"bars": walk}).encode())
    if answer["statusCode"] == 422:
        (error,) = json.loads(answer["body"])["errors"]
        assert error["pointer"].startswith("#/bars/")
