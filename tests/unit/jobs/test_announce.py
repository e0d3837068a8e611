"""Others are told of every part, at least once, and again only after a death in between."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator, FormatChecker

from pipeline.encoding import sha256
from pipeline.errors import DeploymentError
from pipeline.forecasting.model import Model
from pipeline.jobs.announce import announce
from pipeline.jobs.daily_summary import Summary
from pipeline.ports import Announcement
from pipeline.record.keys import ANNOUNCED
from pipeline.views.realised import select_realised
from tests.support.fakes import MemoryObjects
from tests.support.records import SESSIONS, TABLES, market, run_day, run_days, table, with_column
from tests.support.tree import ROOT

SCHEMA = json.loads((ROOT / "infra" / "event.schema.json").read_text(encoding="utf-8"))


class Bus:
    """Remembers what it took; refuses the first `refused` events."""

    def __init__(self, refused: int = 0) -> None:
        self.events: list[tuple[str, Mapping[str, Any]]] = []
        self._refused = refused

    def tell(self, announcement: Announcement) -> None:
        detail = announcement.detail
        Draft202012Validator(SCHEMA, format_checker=FormatChecker()).validate(detail)
        if self._refused:
            self._refused -= 1
            raise DeploymentError("event bus default: expected it to take an event, got nothing")
        self.events.append((announcement.name, detail))


def tell(bus: Bus, store: MemoryObjects, summary: Summary) -> bool:
    return announce([bus], store, TABLES, summary)


@pytest.fixture
def store(model: Model) -> MemoryObjects:
    return run_days(model, SESSIONS[-3:-1])


def test_a_part_is_told_of_once_with_its_manifest(model: Model, store: MemoryObjects) -> None:
    bus, summary = Bus(), run_day(model, store, SESSIONS[-1], market())
    assert tell(bus, store, summary)
    assert not tell(bus, store, summary)
    assert not tell(bus, store, run_day(model, store, SESSIONS[-1], market()))
    ((name, detail),) = bus.events
    assert name == "Forecasts published"
    assert detail["manifest"]["sha256"] == sha256(store.objects[detail["manifest"]["key"]])
    assert detail["session"] == str(SESSIONS[-1])
    assert (detail["published"], detail["withheld"]) == (["QQQ", "SPY"], {})


def test_what_the_bus_did_not_take_the_next_run_tells(model: Model, store: MemoryObjects) -> None:
    bus, summary = Bus(refused=1), run_day(model, store, SESSIONS[-1], market())
    with pytest.raises(DeploymentError, match="event bus"):
        tell(bus, store, summary)
    assert ANNOUNCED not in store.objects
    assert tell(bus, store, run_day(model, store, SESSIONS[-1], market()))
    assert len(bus.events) == 1


def test_a_later_part_is_told_of_too_and_what_is_withheld(
    model: Model, store: MemoryObjects
) -> None:
    bus, bars = Bus(), market()
    tell(bus, store, run_day(model, store, SESSIONS[-1], {"SPY": bars["SPY"]}))
    tell(bus, store, run_day(model, store, SESSIONS[-1], bars))
    assert [detail["published"] for _, detail in bus.events] == [["SPY"], ["QQQ"]]
    assert bus.events[0][1]["withheld"] == {"QQQ": "unknown_ticker"}
    assert "Withheld: QQQ (unknown_ticker)" in bus.events[0][1]["digest"]


def test_a_session_without_a_part_is_nothing_to_tell_of(model: Model) -> None:
    store = MemoryObjects()
    assert not tell(Bus(), store, run_day(model, store, SESSIONS[-1], {}))
    assert store.objects == {}


def test_a_part_that_publishes_nobody_is_called_withheld(
    model: Model, store: MemoryObjects
) -> None:
    bars = {ticker: with_column(raw, "high", -40, 1e-3) for ticker, raw in market().items()}
    bus, summary = Bus(), run_day(model, store, SESSIONS[-1], bars)
    assert set(summary.withheld) == {"SPY", "QQQ"}
    assert tell(bus, store, summary)
    assert [name for name, _ in bus.events] == ["Forecasts withheld"]


def test_the_digest_says_what_came_and_what_is_next(model: Model, store: MemoryObjects) -> None:
    bus, summary = Bus(), run_day(model, store, SESSIONS[-1], market())
    tell(bus, store, summary)
    lines = bus.events[0][1]["digest"].splitlines()
    for close in summary.realised:
        where = "inside" if close.lower_95 <= close.close <= close.upper_95 else "outside"
        start = f"{close.ticker} closed at {close.close:.2f}, {where} the 95 % interval"
        assert [line for line in lines if line.startswith(start)]
    forecasts = table(store, "forecasts")
    row = int(
        np.flatnonzero(
            (forecasts["ticker"] == "SPY")
            & (forecasts["horizon"] == 1)
            & (forecasts["origin_date"] == np.datetime64(SESSIONS[-1]))
        )[0]
    )
    low, high = forecasts["lower_95"][row], forecasts["upper_95"][row]
    target = forecasts["target_date"][row]
    expected = f"SPY: 95 % interval of the close of {target} {low:.2f} to {high:.2f}, last close "
    assert [line for line in lines if line.startswith(expected)]


def test_a_close_outside_the_98_percent_interval_is_a_surprise(
    model: Model, store: MemoryObjects
) -> None:
    scores = dict(table(run_days(model, SESSIONS[-1:], store=store), "scores"))
    mine = (scores["model"] == "forecaster") & (scores["ticker"] == "SPY")
    for inside in (True, False):
        changed = scores | {"covered_98": np.where(mine, inside, scores["covered_98"])}
        closes = {close.ticker: close for close in select_realised(changed, SESSIONS[-1])}
        assert closes["SPY"].surprise is not inside
        assert ("surprise" in closes["SPY"].describe()) is not inside
