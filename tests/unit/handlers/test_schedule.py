"""Which times a schedule's event may name, and what is said of any other."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from handlers.schedule import (
    GATHER,
    LIST,
    VERIFY,
    Step,
    find_correlation_id,
    parse_step,
    parse_time,
)
from pipeline.errors import RequestError

NOW = datetime(2026, 11, 20, 23, 31, tzinfo=UTC)


@pytest.mark.parametrize(
    ("time", "meant"),
    [
        ("2026-11-20T23:30:00Z", datetime(2026, 11, 20, 23, 30, tzinfo=UTC)),
        ("2026-11-21T13:30:00+14:00", datetime(2026, 11, 20, 23, 30, tzinfo=UTC)),
        ("2026-11-20T23:30:00-23:59", datetime(2026, 11, 21, 23, 29, tzinfo=UTC)),
        ("1992-01-01T00:00:00Z", datetime(1992, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_time_is_meant_in_utc(time: str, meant: datetime) -> None:
    assert parse_time({"time": time}, NOW) == meant
    assert parse_time({"scheduled_time": time}, NOW).tzinfo is UTC


@pytest.mark.parametrize(
    "time",
    ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "1991-12-31T23:59:59Z",
     "1992-01-01T00:00:00+00:01", "2026-11-21T23:31:01Z", "9999-12-31T23:59:59Z",
     "9999-12-31T23:59:59-23:59"],
)  # fmt: skip
def test_a_time_of_long_ago_or_to_come_is_refused(time: str) -> None:
    with pytest.raises(RequestError, match="expected a time that has come, from 1992 on, got"):
        parse_time({"time": time}, NOW)


@pytest.mark.parametrize("time", ["", "x" * 10**6, "\ud800", 5, 2.5, True, None, [], {"time": 1}])
def test_what_is_no_time_is_refused_in_few_words(time: Any) -> None:
    with pytest.raises(RequestError, match=r"^event: expected \{\} or an object") as refused:
        parse_time({"time": time}, NOW)
    assert len(str(refused.value)) < 400
    str(refused.value).encode()


@pytest.mark.parametrize("sent", [{}, {"id": None}, {"id": 5}, {"id": [1]}, [], None, "id"])
def test_without_a_name_of_its_own_a_run_has_the_request_s(sent: Any) -> None:
    assert find_correlation_id(sent, "request") == "request"


def test_a_name_that_no_log_can_hold_is_escaped_and_cut() -> None:
    assert find_correlation_id({"id": "a\x1b[2J\ud800"}, "request") == "a\\x1b[2J\\ud800"
    assert len(find_correlation_id({"execution_id": "a" * 10**6}, "request")) == 200


@pytest.mark.parametrize(
    ("event", "step"),
    [
        ({}, Step()),
        ({"time": "now"}, Step()),
        ({"shard": 0, "time": "now"}, Step(shard=0)),
        ({"universe": "list"}, Step(universe=LIST)),
        ({"universe": "list", "shards": 4}, Step(universe=LIST, shards=4)),
        ({"universe": "verify"}, Step(universe=VERIFY)),
        ({"universe": "gather"}, Step(universe=GATHER)),
        ({"universe": "gather", "ended": True}, Step(universe=GATHER, ended=True)),
        ("list", Step()),
    ],
)
def test_of_a_universe_an_event_names_a_shard_or_a_step(event: Any, step: Step) -> None:
    assert parse_step(event) == step


@pytest.mark.parametrize(
    "event",
    [{"shard": -1}, {"shard": 10_001}, {"shard": "0"}, {"shard": True}, {"shard": 1.0},
     {"shard": [1]}, {"universe": "run"}, {"universe": 1}, {"universe": []},
     {"shard": 1, "universe": "list"}, {"universe": "list", "shards": 0},
     {"universe": "gather", "ended": 1}, {"universe": "list", "ended": True}, {"ended": True},
     {"universe": "gather", "shards": 4}, {"shards": 4}, {"universe": "x" * 10**6}],
)  # fmt: skip
def test_a_step_that_there_is_not_is_refused_in_few_words(event: Any) -> None:
    with pytest.raises(
        RequestError, match="event: expected `shard`, a number, or `universe`"
    ) as no:
        parse_step(event)
    assert len(str(no.value)) < 400
