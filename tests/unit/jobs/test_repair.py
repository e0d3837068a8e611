"""Repair by hand: what can be remade is, what cannot is said, and given up only on a word."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random

import pytest

from pipeline.encoding import sha256
from pipeline.errors import StoreError
from pipeline.forecasting.model import Model
from pipeline.jobs.chain_check import Problem
from pipeline.jobs.remake_check import Sample
from pipeline.jobs.repair import Repaired, repair
from pipeline.jobs.verify import Scope, verify
from pipeline.jobs.views_check import check_views
from pipeline.record.keys import BUNDLES, CLAIMS, LATEST, STORE, VIEWS, manifest_key, table_key
from pipeline.record.manifest import read_manifests
from pipeline.record.repairs import read_loss
from tests.support.fakes import MemoryObjects
from tests.support.records import CALENDAR, SESSIONS, TABLES, flipped, market, run_day, run_days

SPAN, NEXT = SESSIONS[-5:-1], SESSIONS[-1]
NOW = datetime(2025, 1, 1, 12, tzinfo=UTC)
UNDAMAGED = Repaired({}, {}, {})


@pytest.fixture
def store(model: Model) -> MemoryObjects:
    return run_days(model, SPAN)


def repaired(store: MemoryObjects, *, give_up: bool = False) -> Repaired:
    return repair(store, TABLES, CALENDAR, NOW, give_up=give_up)


def remakeable(store: MemoryObjects) -> list[str]:
    """What follows from vintages, bundles and claims; the newest manifest is named by nothing."""
    kept = ("bars/", BUNDLES, CLAIMS, STORE)
    newest = manifest_key(SPAN[-1], 0)
    return [
        key for key in store.objects if not key.startswith(kept) and key not in {*VIEWS, newest}
    ]


def test_a_whole_record_needs_no_repair(store: MemoryObjects) -> None:
    before = dict(store.objects)
    assert repaired(store) == UNDAMAGED
    assert store.objects == before


def test_every_object_that_follows_from_others_is_remade_to_its_bytes(
    store: MemoryObjects,
) -> None:
    whole = dict(store.objects)
    for key in remakeable(store):
        for damaged in (None, flipped(whole[key], len(whole[key]) // 2)):
            store.objects = {k: data for k, data in whole.items() if k != key}
            if damaged is not None:
                store.objects[key] = damaged
            assert repaired(store) == Repaired({key: sha256(whole[key])}, {}, {})
            assert store.objects == whole


@pytest.mark.parametrize("seed", range(3))
def test_what_is_damaged_at_once_is_remade_from_what_is_whole(
    store: MemoryObjects, seed: int
) -> None:
    whole, random = dict(store.objects), Random(seed)
    damaged = random.sample(remakeable(store), 9)
    for key in damaged:
        if random.random() < 0.5:
            del store.objects[key]
        else:
            store.objects[key] = flipped(whole[key], random.randrange(len(whole[key])))
    assert set(repaired(store).healed) == set(damaged)
    assert store.objects == whole


def test_nothing_damaged_is_given_up_unasked(store: MemoryObjects) -> None:
    key = table_key("bars", SPAN[1], 0)
    del store.objects[key]
    before = dict(store.objects)
    done = repaired(store)
    assert (done.healed, done.lost, set(done.damaged)) == ({}, {}, {key})
    assert store.objects == before


def test_what_is_given_up_is_written_down_and_runs_go_on(
    model: Model, store: MemoryObjects
) -> None:
    key = table_key("bars", SPAN[-1], 0)
    digest = sha256(store.objects.pop(key))
    assert repaired(store, give_up=True) == Repaired({}, {key: digest}, {})
    loss = read_loss(store, digest)
    assert loss is not None
    assert (loss.key, loss.sha256, loss.accepted_at) == (key, digest, NOW)
    run_day(model, store, NEXT, market())
    assert read_manifests(store, NEXT)[0].lost == {key: digest}
    found = verify(store, TABLES, CALENDAR, Scope(Sample(deep=True)))
    assert [(lost.problem, lost.key) for lost in found.lost] == [(Problem.LOST, key)]
    assert (found.findings, found.left_behind, found.unmade) == ((), (), 1)
    # Said once, it stays said, with its first time.
    again = repair(store, TABLES, CALENDAR, datetime(2026, 1, 1, tzinfo=UTC), give_up=True)
    assert again.lost == {key: digest}
    assert read_loss(store, digest) == loss


def test_what_is_given_up_can_still_come_back(store: MemoryObjects) -> None:
    key = table_key("bars", SPAN[-1], 0)
    data = store.objects.pop(key)
    repaired(store, give_up=True)
    store.objects[key] = data
    assert repaired(store) == UNDAMAGED


def test_a_manifest_that_its_claim_does_not_explain_is_not_made_up(store: MemoryObjects) -> None:
    del store.objects[manifest_key(SPAN[1], 0)]
    previous = sha256(store.objects[manifest_key(SPAN[0], 0)])
    del store.objects[f"{CLAIMS}{previous}.json"]
    before = dict(store.objects)
    with pytest.raises(StoreError, match="cannot be remade"):
        repaired(store, give_up=True)
    assert store.objects == before


def test_a_copy_whose_bytes_are_not_those_named_is_not_put_back(store: MemoryObjects) -> None:
    key = table_key("bars", SPAN[1], 0)
    del store.objects[key]
    before = dict(store.objects)
    done = repair(
        store, TABLES, CALENDAR, NOW, give_up=False, copies=lambda digest: b"another vintage"
    )
    assert (done.healed, set(done.damaged)) == ({}, {key})
    assert store.objects == before


def test_once_a_loss_is_accepted_the_views_say_nothing_that_follows_from_it(
    store: MemoryObjects,
) -> None:
    del store.objects[table_key("bars", SPAN[-2], 0)]
    assert b"width_change" in store.objects[LATEST]
    repaired(store, give_up=True)
    assert b"width_change" not in store.objects[LATEST]
    assert list(check_views(store, TABLES)) == []


def test_views_of_a_session_that_is_lost_are_left_as_they_are(store: MemoryObjects) -> None:
    lost = [table_key(name, SPAN[-1], 0) for name in ("bars", "forecasts")]
    for key in lost:
        del store.objects[key]
    views = {key: store.objects[key] for key in VIEWS if key in store.objects}
    assert set(repaired(store, give_up=True).lost) == set(lost)
    assert views.items() <= store.objects.items()
