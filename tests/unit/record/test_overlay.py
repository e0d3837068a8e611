"""A store that takes nothing back ends no run: what was remade is used from memory, and said."""

from __future__ import annotations

import pytest

from pipeline.encoding import sha256
from pipeline.errors import StoreError
from pipeline.forecasting.model import Model
from pipeline.jobs.remake_check import Sample
from pipeline.jobs.repair import repair
from pipeline.jobs.replay import replay
from pipeline.jobs.verify import Scope, verify
from pipeline.record.keys import VIEWS, calibration_key, manifest_key, table_key
from pipeline.record.manifest import read_manifests
from tests.support.fakes import MemoryObjects
from tests.support.records import (
    CALENDAR,
    LONG_AFTER,
    SESSIONS,
    TABLES,
    backfilled,
    flipped,
    market,
    run_day,
    run_days,
)

SPAN, NEXT, LAST = SESSIONS[-5:-2], SESSIONS[-2], SESSIONS[-1]
CHANGED = (
    calibration_key(SPAN[-1], 0),
    table_key("forecasts", SPAN[-1], 0),
    table_key("baselines", SPAN[0], 0),
    manifest_key(SPAN[0], 0),
)


class WriteOnce(MemoryObjects):
    """A bucket whose policy takes an object of the record only where nothing is."""

    def replace(self, key: str, data: bytes) -> None:
        if key not in VIEWS:
            raise StoreError(f"expected to replace {key}, got AccessDenied")
        super().replace(key, data)


def damaged(model: Model, *keys: str) -> WriteOnce:
    store = WriteOnce(run_days(model, SPAN).objects)
    for key in keys:
        store.objects[key] = flipped(store.objects[key], 0)
    return store


@pytest.mark.parametrize("keys", [*((key,) for key in CHANGED), CHANGED])
def test_the_next_run_goes_on_from_memory_and_its_manifest_says_so(
    model: Model, keys: tuple[str, ...]
) -> None:
    store, whole = damaged(model, *keys), run_days(model, SPAN).objects
    before = dict(store.objects)
    summary = run_day(model, store, NEXT, market())
    healed = {key: sha256(whole[key]) for key in keys}
    assert read_manifests(store, NEXT)[0].healed == summary.repairs.healed == healed
    assert set(summary.repairs.refused) == set(keys)
    assert {key: store.objects[key] for key in before if key not in VIEWS} == {
        key: data for key, data in before.items() if key not in VIEWS
    }
    # What a manifest named that cannot be read is found once the manifest is whole again.
    named = set(keys) - ({CHANGED[2]} if len(keys) > 1 else set())
    assert {f.key for f in verify(store, TABLES, CALENDAR).findings} >= named
    run_day(model, store, LAST, market())
    # A person takes the false versions away; then they can be created.
    for key in keys:
        del store.objects[key]
    done = repair(store, TABLES, CALENDAR, LONG_AFTER, give_up=False)
    assert (set(done.healed), done.damaged) == (set(keys), {})
    assert verify(store, TABLES, CALENDAR, Scope(Sample(deep=True))).findings == ()
    assert all(replayed.equal for replayed in replay(store, TABLES, CALENDAR, NEXT))


def test_a_repair_that_is_refused_says_so_and_goes_on(model: Model) -> None:
    store = damaged(model, *CHANGED)
    missing = table_key("scores", SPAN[1], 0)
    del store.objects[missing]
    done = repair(store, TABLES, CALENDAR, LONG_AFTER, give_up=True)
    assert set(done.healed) == {missing}
    assert set(done.damaged) == set(CHANGED)
    assert all("does not take it back" in why for why in done.damaged.values())
    assert (done.lost, store.keys("losses/")) == ({}, [])


def test_a_backfill_goes_on_from_memory_too(model: Model) -> None:
    store = damaged(model, *CHANGED)
    backfilled(model, NEXT, LAST, store=store)
    assert set(read_manifests(store, NEXT)[0].healed) == set(CHANGED)
    assert read_manifests(store, LAST)[0].published == {"SPY", "QQQ"}
