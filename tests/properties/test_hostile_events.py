"""Whatever invokes the functions: an answer or a refusal, never an exception of another kind."""

from __future__ import annotations

import importlib
import io
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.local.invoke import LocalContext
from handlers.schedule import find_correlation_id, parse_time
from pipeline.adapters.exchange.calendar import ExchangeCalendar
from pipeline.errors import RequestError
from tests.support.builders import latest_view, url_event

MANY = settings(max_examples=200, deadline=None)
NOW = datetime(2026, 11, 20, 23, 31, tzinfo=UTC)
CALENDAR = ExchangeCalendar()
Call = Callable[[Any], tuple[dict[str, Any], str]]

# Half characters, controls and marks of direction beside letters.
texts = st.text(st.characters(categories=["Cs", "Cc", "Cf", "Zl", "L", "N", "P", "S"]), max_size=20)
atoms = st.one_of(
    st.none(), st.booleans(), st.integers(), st.just(10**400), st.floats(), texts, st.just("\ud800")
)
documents = st.recursive(
    atoms, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3)
)
HEADERS = ("x-api-key", "Content-Type", "content-encoding", "If-None-Match", "accept")
EVENTS: list[dict[str, Any]] = [
    *(url_event("GET", path) for path in ("/", "/forecasts", "/forecasts/SPY", "/track-record")),
    url_event("POST", "/predict", {"ticker": "SPY"}, dict.fromkeys(HEADERS, "application/json")),
    url_event("GET", "/health", headers=dict.fromkeys(HEADERS, "*")),
    url_event("OPTIONS", "/health"),
    {"body": '{"ticker": "SPY"}', "isBase64Encoded": False},
]


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Call]:
    """Calls the on-demand function; gives its answer and what it logged."""
    store = tmp_path_factory.mktemp("store")
    (store / "latest.json").write_text(json.dumps(latest_view()))
    with called(store) as invoke:
        yield invoke


@contextmanager
def called(store: Path) -> Iterator[Call]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FORECASTER_STORE", str(store))
        patch.setenv("FORECASTER_AUTH", "none")
        sys.modules.pop("handlers.on_demand", None)
        function = importlib.import_module("handlers.on_demand")

    def invoke(event: Any) -> tuple[dict[str, Any], str]:
        log = io.StringIO()
        with redirect_stderr(log), redirect_stdout(io.StringIO()):
            answer = function.handler(event, LocalContext())
        return answer, log.getvalue()

    yield invoke
    sys.modules.pop("handlers.on_demand", None)


def assert_answered(call: Call, event: Any) -> int:
    """Fail unless there is an answer that is no failure of ours, and one line of log in ASCII."""
    answer, log = call(event)
    json.dumps(answer).encode()
    answer["body"].encode()
    status = int(answer["statusCode"])
    # What the store lacks is for later.
    assert status < 500 or json.loads(answer["body"])["code"] == "not_published", answer
    assert log.count("\n") == 1
    assert log.rstrip("\n").isascii()
    assert log.rstrip("\n").isprintable()
    return status


@st.composite
def disturbed(draw: st.DrawFn) -> Any:
    """A valid event in which a few values are replaced, added or gone."""
    event = deepcopy(draw(st.sampled_from(EVENTS)))
    for _ in range(draw(st.integers(1, 3))):
        holder = event
        while inner := [value for value in holder.values() if value and isinstance(value, dict)]:
            if not draw(st.booleans()):
                break
            holder = draw(st.sampled_from(inner))
        key = draw(st.sampled_from([*holder]) | texts) if holder else draw(texts)
        if draw(st.integers(0, 4)):
            holder[key] = draw(documents)
        else:
            holder.pop(key, None)
    return event


@MANY
@given(event=documents)
def test_any_json_for_an_event_is_refused(call: Call, event: Any) -> None:
    assert assert_answered(call, event) == 400


@MANY
@given(event=disturbed())
def test_a_disturbed_event_is_refused_or_answered(call: Call, event: Any) -> None:
    assert_answered(call, event)


@MANY
@given(body=documents.filter(lambda body: body is not None and not isinstance(body, str)))
def test_a_body_that_is_no_text_is_refused(call: Call, body: Any) -> None:
    assert assert_answered(call, {**EVENTS[4], "body": body}) == 400
    assert assert_answered(call, {"body": body}) == 400


@MANY
@given(header=st.sampled_from(HEADERS), value=documents)
def test_a_header_is_text(call: Call, header: str, value: Any) -> None:
    status = assert_answered(call, {**EVENTS[5], "headers": {header: value}})
    assert status in ((200, 304) if isinstance(value, str) and _is_whole(value) else (400,))


@MANY
@given(path=texts, method=texts)
def test_half_a_character_in_the_line_is_refused(call: Call, path: str, method: str) -> None:
    status = assert_answered(call, url_event(method, f"/{path}"))
    assert (status == 400) == (not _is_whole(path + method))


@MANY
@given(text=texts)
def test_a_name_in_a_body_that_no_pointer_can_hold_is_refused(call: Call, text: str) -> None:
    body = json.dumps({text: 1}).replace("1}", "NaN}")
    assert assert_answered(call, {"body": body}) in (400, 422)


def test_a_store_whose_name_cannot_be_encoded_is_told_of_in_a_line(tmp_path: Path) -> None:
    store = tmp_path / os.fsdecode(b"st\xff")
    store.mkdir()
    (store / "latest.json").symlink_to("latest.json")
    with called(store) as call:
        answer, log = call(url_event("GET", "/forecasts"))
    assert answer["statusCode"] == 503
    assert "st\\udcff" in json.loads(log)["exception"]


def _is_whole(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


times = st.one_of(
    documents,
    st.datetimes().map(datetime.isoformat),
    st.datetimes(timezones=st.timezones()).map(datetime.isoformat),
    st.tuples(st.datetimes(), st.sampled_from(["Z", "+23:59", "-23:59", "+00:00:01"])).map(
        lambda pair: pair[0].isoformat() + pair[1]
    ),
)


@MANY
@given(event=documents | st.fixed_dictionaries({"time": times}, optional={"id": documents}))
def test_a_schedule_s_event_names_a_time_of_the_calendar_or_is_refused(event: Any) -> None:
    assert find_correlation_id(event, "request").isprintable()
    try:
        at = parse_time(event, NOW)
    except RequestError as exc:
        str(exc).encode()
        return
    assert len(CALENDAR.ending(CALENDAR.last_closed(at), 320)) == 320
