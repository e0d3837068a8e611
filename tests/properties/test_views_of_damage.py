"""Views are a function of what lies in the store: equal bytes, whoever makes them, and when.

Whatever of a record is damaged, given up, healed in a run's memory or put back: what a run has
written is what another process makes of the same store, and after a repair all bytes come again.
"""

from __future__ import annotations

from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.encoding import sha256
from pipeline.errors import ForecasterError, StoreError
from pipeline.forecasting.bundle import load_bundle
from pipeline.forecasting.model import Model
from pipeline.jobs.repair import repair
from pipeline.jobs.verify import verify
from pipeline.record import stored_model
from pipeline.record.chain import find_head
from pipeline.record.keys import CLAIMS, HISTORY, STORE, VIEWS
from pipeline.record.repairs import Loss, accept_loss
from pipeline.views.history import read_history
from pipeline.views.refresh import build_views, refresh_views
from tests.conftest import DEFAULT_BUNDLE
from tests.support.fakes import MemoryObjects
from tests.support.records import (
    CALENDAR,
    LONG_AFTER,
    SESSIONS,
    TABLES,
    flipped,
    market,
    run_day,
    run_days,
)

SPAN = SESSIONS[-4:]


@cache
def model() -> Model:
    return Model(load_bundle(DEFAULT_BUNDLE))


@cache
def objects(days: int) -> dict[str, bytes]:
    return run_days(model(), SPAN[:days]).objects


class WriteOnce(MemoryObjects):
    """A bucket whose policy takes an object of the record only where nothing is."""

    def replace(self, key: str, data: bytes) -> None:
        if key not in VIEWS:
            raise StoreError(f"expected to replace {key}, got AccessDenied")
        super().replace(key, data)


def list_damageable(days: int) -> list[str]:
    """Return what the views may be made from: all but claims, terms, views and the head."""
    head = f"runs/{SPAN[days - 1]}.00.json"
    beside = (CLAIMS, STORE, *VIEWS, head)
    return sorted(key for key in objects(days) if not key.startswith(beside))


def damage_of(days: int) -> st.SearchStrategy[dict[str, bool]]:
    """Draw keys that are damaged, and whether they are flipped, else missing."""
    return st.deferred(
        lambda: st.dictionaries(
            st.sampled_from(list_damageable(days)), st.booleans(), min_size=1, max_size=3
        )
    )


def damage(store: MemoryObjects, how: dict[str, bool]) -> None:
    for key, flip in how.items():
        if flip:
            store.objects[key] = flipped(store.objects[key], 0)
        else:
            del store.objects[key]


def views_of(store: MemoryObjects) -> dict[str, bytes]:
    return {key: store.objects[key] for key in VIEWS if key in store.objects}


def build_elsewhere(store: MemoryObjects) -> dict[str, bytes]:
    """Return the views as a process makes them that has seen nothing before."""
    stored_model._load_model.cache_clear()
    other = MemoryObjects(store.objects)
    views = build_views(other, TABLES, find_head(other), read_history(other))
    assert views is not None
    return dict(views.objects)


@settings(max_examples=20, deadline=None)
@given(damage_of(3), st.booleans())
def test_what_a_run_writes_is_what_any_process_makes_of_the_store(
    how: dict[str, bool], once: bool
) -> None:
    store = (WriteOnce if once else MemoryObjects)(objects(3))
    for key in how:  # What can be remade is, all the same.
        accept_loss(store, Loss(key, sha256(store.objects[key]), LONG_AFTER))
    damage(store, how)
    try:
        run_day(model(), store, SPAN[3], market())
    except StoreError:
        assert len(how) > 1  # What is lost together may need a person.
        return
    assert views_of(store) == build_elsewhere(store)


@settings(max_examples=20, deadline=None)
@given(damage_of(4), st.booleans())
def test_after_a_repair_all_bytes_come_again(how: dict[str, bool], unknown: bool) -> None:
    store = MemoryObjects(objects(4))
    damage(store, how)
    if unknown:
        del store.objects[HISTORY]
    try:
        refresh_views(store, TABLES)  # as a run does that has nothing to publish
        assert views_of(store) == build_elsewhere(store)
    except ForecasterError:
        pass  # of the newest session: what it says of that stays
    copies = {sha256(data): data for data in objects(4).values()}
    repair(store, TABLES, CALENDAR, LONG_AFTER, give_up=False, copies=copies.get)
    assert store.objects == objects(4)
    assert verify(store, TABLES, CALENDAR).findings == ()
