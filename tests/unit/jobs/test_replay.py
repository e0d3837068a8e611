"""A session made again has equal bytes, whatever was deployed and written since."""

from __future__ import annotations

import re

import msgspec
import pytest

from pipeline.errors import StoreError
from pipeline.forecasting.bundle import ModelBundle
from pipeline.forecasting.model import Model
from pipeline.jobs.replay import replay
from tests.support.fakes import MemoryObjects
from tests.support.records import (
    CALENDAR,
    SESSIONS,
    TABLES,
    backfilled,
    flipped,
    market,
    run_day,
    run_days,
    scaled,
)

SPAN = SESSIONS[-6:]


def later_model(model: Model) -> Model:
    gains = dict.fromkeys(model.manifest.gains, ((0.8,) * 11,) * 5)
    manifest = msgspec.structs.replace(
        model.manifest, gains=gains, baselines={}, libraries={"numpy": "later"}
    )
    return Model(ModelBundle(manifest, model.bundle.onnx))


@pytest.fixture(scope="module")
def store(model: Model) -> MemoryObjects:
    """Six sessions: one in two parts, one with a revision, then another bundle."""
    store = run_days(model, SPAN[:2])
    run_day(model, store, SPAN[2], {"SPY": market()["SPY"]})
    run_day(model, store, SPAN[2], market())
    revised = market(SPY=scaled(market()["SPY"], 0.98, slice(0, 400)))
    run_days(model, SPAN[3:4], bars=revised, store=store)
    run_days(later_model(model), SPAN[4:], bars=revised, store=store)
    return store


@pytest.mark.parametrize("session", SPAN, ids=str)
def test_every_object_of_every_session_comes_out_byte_for_byte(
    store: MemoryObjects, session: object
) -> None:
    before = dict(store.objects)
    made = replay(store, TABLES, CALENDAR, session)
    assert [one.key for one in made if not one.equal] == []
    expected = {k for k in store.objects if str(session) in k and not k.startswith("bundles/")}
    bars = {key for key in expected if key.startswith("bars/")}
    assert {one.key for one in made if not one.key.startswith("bundles/")} == expected - bars
    assert store.objects == before


def test_the_parts_of_a_session_come_in_order(store: MemoryObjects) -> None:
    keys = [one.key for one in replay(store, TABLES, CALENDAR, SPAN[2])]
    assert [key for key in keys if key.startswith("runs/")] == [
        f"runs/{SPAN[2]}.00.json",
        f"runs/{SPAN[2]}.01.json",
    ]


def test_a_backfilled_session_is_made_again_too(model: Model) -> None:
    store = backfilled(model, SPAN[0], SPAN[-1])
    for session in SPAN:
        assert all(one.equal for one in replay(store, TABLES, CALENDAR, session))


@pytest.mark.parametrize("table", ["forecasts", "baselines"])
def test_an_object_that_was_changed_differs(store: MemoryObjects, table: str) -> None:
    changed = MemoryObjects(store.objects)
    key = f"{table}/month=2024-12/{SPAN[1]}.00.parquet"
    columns, metadata = TABLES.decode(table, changed.objects[key])
    columns["sigma"] = columns["sigma"] * 1.1
    changed.objects[key] = TABLES.encode(table, columns, metadata)
    made = replay(changed, TABLES, CALENDAR, SPAN[1])
    # What follows is made from what should be there: the manifest names that, and is equal.
    (differing,) = [one for one in made if not one.equal]
    assert differing.key == key
    assert re.match(
        r"sigma of SPY 1\b.*: expected 0\.0\d+, got 0\.0\d+; so in", differing.difference
    )


def test_a_session_that_is_not_on_the_record_is_named(store: MemoryObjects) -> None:
    with pytest.raises(StoreError, match="expected a manifest of 2024-01-02 at memory://runs/"):
        replay(store, TABLES, CALENDAR, SESSIONS[0].replace(2024, 1, 2))


@pytest.mark.parametrize(
    "prefix",
    [f"bars/month=2024-12/{SPAN[1]}", "bundles/", f"calibration/{SPAN[0]}", f"runs/{SPAN[0]}"],
)
def test_what_it_was_made_from_missing_or_changed_is_one_error_that_names_it(
    store: MemoryObjects, prefix: str
) -> None:
    key = next(key for key in sorted(store.objects) if key.startswith(prefix))
    gone = MemoryObjects({at: data for at, data in store.objects.items() if at != key})
    with pytest.raises(StoreError, match=key):
        replay(gone, TABLES, CALENDAR, SPAN[1])
    changed = MemoryObjects(store.objects)
    changed.objects[key] = flipped(changed.objects[key], -10)
    with pytest.raises(StoreError, match=key):
        replay(changed, TABLES, CALENDAR, SPAN[1])
