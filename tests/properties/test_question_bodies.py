"""Whatever is posted to /risk, /probability, /what-if: an answer of the document, never a NaN.

No 5xx but 503 `not_published`, of the tickers that the views withhold.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handlers.http.messages import Request
from handlers.http.responses import to_problem_response
from handlers.http.routes import Service
from pipeline.errors import ForecasterError
from pipeline.forecasting.model import Model
from pipeline.serving.cached_views import CachedViews
from pipeline.serving.on_demand import OnDemand
from tests.support.builders import latest_view, url_event
from tests.support.fakes import MemoryObjects
from tests.support.openapi import DOCUMENT, assert_documented
from tests.support.scenarios import cube, view

ASKED: dict[str, list[dict[str, Any]]] = {
    "/risk": [
        {"positions": {"SPY": 10000, "IWM": -5000.5}},
        {"positions": {"SPY": 1, "QQQ": 1e9}, "value": "shares", "capital": 2e9},
        {"positions": {"DIA": 1}, "value": "usd"},
    ],
    "/probability": [
        {"ticker": "SPY", "below": 300, "horizon": 3},
        {"ticker": "SPY", "between": [290, 310.5], "date": "2025-01-03", "touch": True},
        {"ticker": "DIA", "above": 300, "horizon": 5, "touch": False},
    ],
    "/what-if": [
        {"ticker": "SPY", "return": -0.03, "range": 0.04},
        {"ticker": "SPY", "return": 1.5},
        {"ticker": "IWM", "return": 0},
    ],
}
WITHHELD = ("DIA", "IWM", "QQQ")  # of one view or the other, where an answer needs it
NAMES = [
    "positions", "value", "capital", "ticker", "below", "above", "between", "horizon", "date",
    "touch", "return", "range", "SPY", "x",
]  # fmt: skip
MANY = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
Post = Callable[[str, bytes], int]


@pytest.fixture(scope="module")
def post(model: Model) -> Post:
    """Sends a body to a path; gives the status of the answer, which the document must know."""
    stored = {
        "latest.json": json.dumps(latest_view([[1.1] * 11] * 5)).encode(),
        "scenarios.bin": view(cube(n=200)).encode(),
    }
    views = CachedViews(MemoryObjects(stored).read, lambda: 0.0)
    service = Service(OnDemand(model, views), None)

    def send(path: str, body: bytes) -> int:
        encoded = base64.b64encode(body).decode()
        request = Request.of(url_event("POST", path, encoded, isBase64Encoded=True))
        try:
            answer = service.answer(request).event()
        except ForecasterError as exc:
            answer = to_problem_response(exc)[0].event()
        said = assert_documented(answer, DOCUMENT["paths"][path]["post"])
        status: int = answer["statusCode"]
        if status >= 500:
            assert (status, said["code"]) == (503, "not_published")
            assert said["detail"].partition(":")[0] in WITHHELD
        return status

    return send


numbers = st.one_of(
    st.floats(),
    st.integers(),
    st.sampled_from([0, -0.0, 5e-324, 1.7e308, 2**53 + 1, 10**400, -1, float("nan"), 1e15, -1e15]),
)
atoms = st.one_of(
    st.none(),
    st.booleans(),
    numbers,
    st.text(max_size=20),
    st.sampled_from(["SPY", "spy", "DIA", "XYZ", "usd", "shares", "2025-01-03", "2025-01-01"]),
)
documents = st.recursive(
    atoms,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=15,
)


@st.composite
def disturbed(draw: st.DrawFn, path: str) -> Any:
    """A valid request in which some values or fields are replaced, dropped or added."""
    document = deepcopy(draw(st.sampled_from(ASKED[path])))
    for _ in range(draw(st.integers(1, 3))):
        holder = document
        inner = holder.get("positions")
        if isinstance(inner, dict) and draw(st.booleans()):
            holder = inner
        name = draw(st.sampled_from([*holder, *NAMES]))
        if draw(st.booleans()) and name in holder:
            del holder[name]
        else:
            holder[name] = draw(numbers | atoms | documents)
    return document


@pytest.mark.parametrize("path", ASKED)
def test_what_is_asked_well_is_answered_or_for_later(post: Post, path: str) -> None:
    bodies = [json.dumps(asked).encode() for asked in ASKED[path]]
    assert [post(path, body) for body in bodies] == [200, 200, 503]


@pytest.mark.parametrize("path", ASKED)
@MANY
@given(data=st.data())
def test_a_disturbed_question_is_refused_or_answered(
    post: Post, path: str, data: st.DataObject
) -> None:
    body = json.dumps(data.draw(disturbed(path))).encode("utf-8", "surrogatepass")
    assert post(path, body) in (200, 400, 404, 422, 503)


@pytest.mark.parametrize("path", ASKED)
@MANY
@given(document=documents)
def test_any_json_is_refused_or_answered(post: Post, path: str, document: Any) -> None:
    assert post(path, json.dumps(document).encode()) in (200, 400, 404, 422, 503)


@pytest.mark.parametrize("path", ASKED)
@MANY
@given(body=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_bytes_that_mean_nothing_are_refused(post: Post, path: str, body: bytes) -> None:
    assert post(path, body) in (400, 422)


@MANY
@given(
    amounts=st.dictionaries(
        st.sampled_from(["SPY", "QQQ", "IWM"]), st.floats(-1e15, 1e15), min_size=1
    ),
    value=st.sampled_from(["usd", "shares"]),
)
def test_any_book_of_known_tickers_is_answered_unless_it_is_empty(
    post: Post, amounts: dict[str, float], value: str
) -> None:
    status = post("/risk", json.dumps({"positions": amounts, "value": value}).encode())
    assert status == (200 if any(amounts.values()) else 422)


@MANY
@given(change=st.floats(-0.9, 2), range_=st.none() | st.floats(0, 3))
def test_any_session_assumed_has_a_forecast_or_a_range_that_would_do(
    post: Post, change: float, range_: float | None
) -> None:
    asked = {"ticker": "SPY", "return": change} | ({} if range_ is None else {"range": range_})
    assert post("/what-if", json.dumps(asked).encode()) in (200, 422)
