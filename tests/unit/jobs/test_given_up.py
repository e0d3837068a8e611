"""A claim that lost what its part was made from: named, given up by a person, gone on from."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, timedelta

import msgspec
import pytest

from pipeline.encoding import sha256
from pipeline.errors import StoreError
from pipeline.forecasting.model import Model
from pipeline.jobs.chain_check import Problem
from pipeline.jobs.remake_check import Sample
from pipeline.jobs.repair import repair
from pipeline.jobs.replay import replay
from pipeline.jobs.verify import Scope, verify
from pipeline.record.chain import find_head, walk_back
from pipeline.record.claims import claim_of, read_claim
from pipeline.record.keys import manifest_key, table_key
from pipeline.record.manifest import Mode, read_manifest, read_manifests
from tests.support.fakes import Crash, FakeSigner, MemoryObjects
from tests.support.records import (
    CALENDAR,
    LONG_AFTER,
    SESSIONS,
    TABLES,
    backfilled,
    evening,
    market,
    record_of_runs,
    run_day,
    run_days,
    scaled,
)
from tests.unit.jobs.test_dead_parts import BEFORE, DEAD, NEXT, VINTAGE, assert_whole, dead, deeply


def give_up(store: MemoryObjects, *keys: str) -> None:
    done = repair(store, TABLES, CALENDAR, evening(DEAD, 23), give_up=True)
    assert (set(done.lost), done.damaged) == (set(keys), {})


def bundle_file(store: MemoryObjects) -> str:
    return next(key for key in store.objects if key.endswith("model.onnx"))


@pytest.mark.parametrize("retry", [DEAD, NEXT])
@pytest.mark.parametrize("how", ["missing", "flipped"])
def test_a_claim_whose_vintage_is_lost_is_given_up_by_a_person_alone(
    model: Model, how: str, retry: date
) -> None:
    store = dead(model)
    digest = sha256(store.objects.pop(VINTAGE))
    if how == "flipped":
        store.objects[VINTAGE] = b"PAR1"
    assert VINTAGE in {finding.key for finding in deeply(store).findings}
    with pytest.raises(StoreError, match=f"{VINTAGE}.*forecaster repair --accept-loss"):
        run_day(model, store, retry, market())
    give_up(store, VINTAGE)
    run_day(model, store, retry, market())
    void = read_manifests(store, DEAD)[0]
    assert (void.tickers, void.lost, void.mode) == ({}, {VINTAGE: digest}, Mode.AS_OF)
    assert (void.is_given_up, void.issued_at) == (True, evening(DEAD, 23))
    run_day(model, store, NEXT, market())
    newest = read_manifests(store, NEXT)[0]
    assert newest.published == {"SPY", "QQQ"}
    assert newest.lost == ({} if retry == DEAD else void.lost)
    found = deeply(store)
    assert (found.findings, found.unmade) == ((), 0)
    assert [(lost.problem, lost.key) for lost in found.lost] == [(Problem.LOST, VINTAGE)]
    assert all(replayed.equal for replayed in replay(store, TABLES, CALENDAR, DEAD))


def test_what_was_issued_before_a_part_that_was_given_up_is_scored_after_it(model: Model) -> None:
    store = dead(model)
    del store.objects[VINTAGE]
    give_up(store, VINTAGE)
    run_day(model, store, NEXT, market())
    clean = run_days(model, [*BEFORE, NEXT])  # as if nobody had run that day
    ours, theirs = (record_of_runs(s, TABLES) for s in (store, clean))
    assert ours["scores"] == theirs["scores"]
    assert ours["forecasts"][-1] == theirs["forecasts"][-1]


@pytest.mark.parametrize("n", [3, 4, 7])
def test_a_claim_whose_bundle_is_lost_is_finished_by_who_has_it(model: Model, n: int) -> None:
    store = MemoryObjects(crash_before=n + 2)
    with pytest.raises(Crash):
        run_day(model, store, DEAD, market())
    store = MemoryObjects(store.objects)
    for key in [key for key in store.objects if key.startswith("bundles/")]:
        store.objects[key] = b"litter"
    run_days(model, [DEAD, NEXT], store=store)
    assert_whole(store)


def test_a_claim_whose_bundle_nobody_has_is_given_up(model: Model) -> None:
    from tests.unit.jobs.test_replay import later_model

    store = dead(model)
    for key in [key for key in store.objects if key.startswith("bundles/")]:
        del store.objects[key]
    other = later_model(model)
    with pytest.raises(StoreError, match=r"manifest\..*forecaster repair --accept-loss"):
        run_day(other, store, NEXT, market())
    repair(store, TABLES, CALENDAR, evening(DEAD, 23), give_up=True)
    run_day(other, store, NEXT, market())
    assert read_manifests(store, DEAD)[0].is_given_up
    assert read_manifests(store, NEXT)[0].published == {"SPY", "QQQ"}


def test_a_record_may_begin_with_a_part_that_was_given_up(model: Model) -> None:
    store = MemoryObjects(crash_before=8)
    with pytest.raises(Crash):
        run_day(model, store, DEAD, market())
    store = MemoryObjects(store.objects)
    del store.objects[VINTAGE]
    give_up(store, VINTAGE)
    run_days(model, [DEAD, NEXT], store=store)
    assert [link.manifest.published for link in walk_back(store, find_head(store))] == [
        {"SPY", "QQQ"},
        {"SPY", "QQQ"},
        set(),
    ]
    assert deeply(store).findings == ()


def test_a_backfill_goes_on_by_its_plan_past_a_part_that_was_given_up(model: Model) -> None:
    died = MemoryObjects(crash_before=27)
    with pytest.raises(Crash):
        backfilled(model, BEFORE[0], NEXT, store=died)
    store = MemoryObjects(died.objects)
    head = find_head(store)
    claim = read_claim(store, head)
    assert head is not None and claim is not None
    lost = claim.table("bars")
    del store.objects[lost]
    with pytest.raises(StoreError, match="accept-loss"):
        backfilled(model, BEFORE[0], NEXT, store=store)
    repair(store, TABLES, CALENDAR, LONG_AFTER, give_up=True)
    backfilled(model, BEFORE[0], NEXT, store=store)
    void = read_manifest(store, manifest_key(claim.session, claim.part))[0]
    assert (void.is_given_up, void.mode) == (True, Mode.BACKFILL)
    links = list(walk_back(store, find_head(store)))
    assert [link.manifest.session for link in links][::-1] == list(SESSIONS[-5:])
    assert deeply(store).findings == ()


def test_a_run_still_at_work_and_a_loss_accepted_meanwhile_make_no_fork(model: Model) -> None:
    """Its vintage is lost and given up while it writes: whoever comes to the manifest first."""

    class Meanwhile(MemoryObjects):
        def create(self, created: str, data: bytes) -> bool:
            if created == manifest_key(DEAD, 0) and VINTAGE in self.objects:
                del self.objects[VINTAGE]
                other = MemoryObjects()
                other.objects = self.objects
                repair(other, TABLES, CALENDAR, evening(DEAD, 23), give_up=True)
                run_day(model, other, NEXT, market())
            return super().create(created, data)

    store = Meanwhile(run_days(model, BEFORE).objects)
    with pytest.raises(Exception, match="later session"):
        run_day(model, store, DEAD, market())
    assert [link.manifest.is_given_up for link in walk_back(store, find_head(store))][:2] == [
        False,
        True,
    ]
    assert deeply(store).findings == ()


def test_an_earlier_loss_accepted_while_a_run_was_dead_does_not_stop_its_claim(
    model: Model,
) -> None:
    store = dead(model, 6)
    lost = table_key("bars", BEFORE[-1], 0)
    digest = sha256(store.objects.pop(lost))
    with pytest.raises(StoreError, match="accept-loss"):
        run_day(model, store, DEAD, market())
    give_up(store, lost)
    run_days(model, [DEAD, NEXT], store=store)
    assert read_manifests(store, DEAD)[0].lost == {lost: digest}
    assert deeply(store).findings == ()


def test_the_signature_of_a_dead_part_that_was_damaged_is_put_back(model: Model) -> None:
    signer = FakeSigner("aa" * 32)
    store = MemoryObjects(crash_after=11)
    with pytest.raises(Crash):
        run_day(model, store, DEAD, market(), signer=signer)
    store = MemoryObjects(store.objects)
    (key,) = store.keys("signatures/")
    store.objects[key] = b"litter"
    run_day(model, store, DEAD, market(), signer=signer)
    run_day(model, store, NEXT, market(), signer=signer)
    scope = Scope(Sample(deep=True), is_signed=signer.is_signed)
    assert verify(store, TABLES, CALENDAR, scope).findings == ()


def test_times_of_what_was_given_up_are_those_of_the_word(model: Model) -> None:
    store = dead(model)
    store.objects[VINTAGE] = b"PAR1"
    give_up(store, VINTAGE)
    run_day(model, store, NEXT, market())
    store.times = dict.fromkeys(store.keys("bars/"), evening(DEAD)) | {
        table_key("bars", NEXT, 0): evening(NEXT) + timedelta(minutes=1),
        **{table_key("bars", day, 0): evening(day) for day in BEFORE},
    }
    assert deeply(store).findings == ()


def test_a_claim_that_says_a_loss_of_which_its_manifest_knows_nothing_is_named(
    model: Model,
) -> None:
    store = run_days(model, BEFORE)
    links = list(walk_back(store, find_head(store)))
    claim = claim_of(links[0].manifest)
    bent = msgspec.structs.replace(claim, lost={table_key("bars", BEFORE[0], 0): "0" * 64})
    store.objects[claim.key] = bent.encode()
    assert [f.key for f in verify(store, TABLES, CALENDAR).findings] == [claim.key]


@pytest.mark.parametrize("n", [5, 7])
def test_a_claim_that_cannot_be_read_is_named_and_a_person_takes_it_away(
    model: Model, n: int
) -> None:
    store = dead(model, n)
    (key,) = [key for key in store.keys("claims/") if str(DEAD) in store.objects[key].decode()]
    store.objects[key] = b"{"
    assert [f.key for f in verify(store, TABLES, CALENDAR).findings] == [key]
    with pytest.raises(StoreError, match=f"{key}.*by hand while nobody runs"):
        run_day(model, store, DEAD, market())
    del store.objects[key]
    run_days(model, [DEAD, NEXT], store=store)
    assert_whole(store)


def test_bars_are_compared_with_those_before_a_part_that_was_given_up(model: Model) -> None:
    store = dead(model)
    del store.objects[VINTAGE]
    give_up(store, VINTAGE)
    bent = market(QQQ=scaled(market()["QQQ"], 1.02, slice(0, 400)))
    assert run_day(model, store, NEXT, bent).withheld == {"QQQ": "unexplained_revision"}


def test_a_bundle_that_was_given_up_is_kept_anew_by_who_forecasts_with_it(model: Model) -> None:
    from tests.unit.jobs.test_replay import later_model

    store = dead(model)
    for key in [key for key in store.objects if key.startswith("bundles/")]:
        del store.objects[key]
    repair(store, TABLES, CALENDAR, evening(DEAD, 23), give_up=True)
    whole = dict(store.objects)
    for n in range(1, 9):  # until the part of nobody is there, and nothing after it
        store = MemoryObjects(whole, crash_after=n)
        with suppress(Crash):
            run_day(later_model(model), store, NEXT, market())
        if store.keys(f"runs/{DEAD}"):
            break
    store = MemoryObjects(store.objects)
    assert store.keys(f"runs/{NEXT}") == []
    run_day(model, store, NEXT, market())
    assert all(replayed.equal for replayed in replay(store, TABLES, CALENDAR, NEXT))
