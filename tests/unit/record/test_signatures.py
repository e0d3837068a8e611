"""Signed stores: each manifest has its signature before it is there, whatever happens."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.errors import StoreError
from pipeline.forecasting.model import Model
from pipeline.jobs.backfill.run import backfill
from pipeline.jobs.remake import finish_claimed
from pipeline.jobs.verify import Scope, verify
from pipeline.record.keys import SIGNATURES, signature_key
from pipeline.record.signatures import read_public_key
from tests.support.fakes import Crash, FakeSigner, MemoryObjects
from tests.support.records import (
    CALENDAR,
    LONG_AFTER,
    SESSIONS,
    TABLES,
    job_on,
    market,
    run_day,
    run_days,
)

SPAN = SESSIONS[-3:]
OURS, THEIRS = FakeSigner("a" * 64), FakeSigner("b" * 64)
SCOPE = Scope(public_key=OURS.public_key, is_signed=OURS.is_signed)


def assert_signed(store: MemoryObjects) -> None:
    found = verify(store, TABLES, CALENDAR, SCOPE)
    assert (found.findings, found.left_behind, found.public_key) == ((), (), OURS.public_key)


def test_every_manifest_is_signed_before_it_is_there(model: Model) -> None:
    store = MemoryObjects()
    for session in SPAN:
        run_day(model, store, session, market(), signer=OURS)
    assert_signed(store)
    assert read_public_key(store) == OURS.public_key
    manifests = store.keys("runs/")
    assert len(manifests) == len(store.keys(SIGNATURES)) == 3
    order = [key for key in store.written if key.startswith(("runs/", SIGNATURES))]
    assert [key.startswith(SIGNATURES) for key in order] == [True, False] * 3
    # The key is there before the first claim binds anybody.
    assert store.written.index("store.json") < store.written.index("claims/first.json")


def test_an_unsigned_store_has_no_key_and_no_signature(model: Model) -> None:
    store = run_days(model, SPAN[:1])
    assert read_public_key(store) is None
    assert store.keys(SIGNATURES) == []
    assert verify(store, TABLES, CALENDAR).public_key is None


def test_a_run_that_died_anywhere_is_finished_signed_and_the_same(model: Model) -> None:
    whole = MemoryObjects()
    run_day(model, whole, SPAN[0], market(), signer=OURS)
    for n in range(1, whole.writes + 1):
        store = MemoryObjects(crash_after=n)
        with pytest.raises(Crash):
            run_day(model, store, SPAN[0], market(), signer=OURS)
        store.crash_after = None
        run_day(model, store, SPAN[0], market(), signer=OURS)
        assert store.objects == whole.objects, n


def test_whoever_finishes_a_dead_part_signs_it(model: Model) -> None:
    store = MemoryObjects(crash_after=7)
    with pytest.raises(Crash):
        run_day(model, store, SPAN[0], market(), signer=OURS)
    assert (store.keys("runs/"), store.keys("claims/")) == ([], ["claims/first.json"])
    finish_claimed(MemoryObjects(store.objects), TABLES, CALENDAR, None, OURS)
    alive = MemoryObjects(store.objects)
    run_day(model, alive, SPAN[1], market(), signer=OURS)
    assert len(alive.keys("runs/")) == 2
    assert_signed(alive)


def test_a_backfill_is_signed(model: Model) -> None:
    store = MemoryObjects()
    job = job_on(model, store, market(), signer=OURS)
    assert backfill(job, SPAN[0], SPAN[-1], LONG_AFTER, lambda done, total: None) == 3
    assert_signed(store)


@pytest.mark.parametrize(
    ("began", "goes_on"), [(OURS, THEIRS), (OURS, None), (None, OURS)], ids=["other", "none", "new"]
)
def test_another_key_or_none_is_refused_before_anything_is_written(
    model: Model, began: FakeSigner | None, goes_on: FakeSigner | None
) -> None:
    store = MemoryObjects()
    run_day(model, store, SPAN[0], market(), signer=began)
    before = dict(store.objects)
    keys = [signer.public_key if signer else "none" for signer in (began, goes_on)]
    words = f"expected public key {keys[0]} to go on with the record, got {keys[1]}"
    with pytest.raises(StoreError, match=words):
        run_day(model, store, SPAN[1], market(), signer=goes_on)
    job = job_on(model, store, market(), signer=goes_on)
    with pytest.raises(StoreError, match=words):
        backfill(job, SPAN[1], SPAN[-1], LONG_AFTER, lambda done, total: None)
    assert store.objects == before


def test_two_that_begin_at_once_with_two_keys_do_not_both(model: Model) -> None:
    store = MemoryObjects()
    rival = replace(job_on(model, store, market()), signer=THEIRS)

    class Late(MemoryObjects):
        """The rival begins right before we write the store's key."""

        def create(self, key: str, data: bytes) -> bool:
            if key == "store.json" and not store.objects:
                run_day(model, store, SPAN[0], market(), signer=rival.signer)
                self.objects |= store.objects
            return super().create(key, data)

    ours = Late()
    with pytest.raises(StoreError, match=f"expected public key {THEIRS.public_key}"):
        run_day(model, ours, SPAN[0], market(), signer=OURS)
    assert set(ours.objects) == set(store.objects)


def test_junk_in_the_place_of_a_signature_is_put_right_before_the_manifest(model: Model) -> None:
    whole = MemoryObjects()
    run_day(model, whole, SPAN[0], market(), signer=OURS)
    (key,) = whole.keys(SIGNATURES)
    store = MemoryObjects({key: b"junk"})
    summary = run_day(model, store, SPAN[0], market(), signer=OURS)
    assert key in summary.repairs.healed
    assert store.objects == whole.objects
    assert store.written.index(key) < store.written.index(f"runs/{SPAN[0]}.00.json")


def test_what_a_dead_run_signed_is_not_in_the_way_of_another_manifest(model: Model) -> None:
    # As after an update of the code between a death and the run that finishes the part.
    store = MemoryObjects({signature_key("0" * 64): b"of a manifest that nobody published"})
    run_day(model, store, SPAN[0], market(), signer=OURS)
    assert verify(store, TABLES, CALENDAR, SCOPE).findings == ()


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"public_key": 3}', b"[" * 100_000, b"\xff"])
def test_terms_that_are_none_are_one_error_and_a_finding(model: Model, data: bytes) -> None:
    store = MemoryObjects(run_days(model, SPAN[:1]).objects)
    store.objects["store.json"] = data
    with pytest.raises(StoreError, match="store.json: expected the terms of a store"):
        read_public_key(store)
    found = verify(store, TABLES, CALENDAR)
    assert [finding.key for finding in found.findings] == ["store.json"]
