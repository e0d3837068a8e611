"""What a dead run left unpublished and was damaged since: gone past, or given up by a person."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import date, timedelta

import msgspec
import numpy as np
import pytest

from pipeline.encoding import sha256
from pipeline.errors import StoreError
from pipeline.forecasting.model import Model
from pipeline.jobs.chain_check import Problem
from pipeline.jobs.remake_check import Sample
from pipeline.jobs.repair import repair
from pipeline.jobs.replay import replay
from pipeline.jobs.verify import Scope, Verified, verify
from pipeline.record.chain import find_head, walk_back
from pipeline.record.claims import claim_of, read_claim
from pipeline.record.keys import VIEWS, calibration_key, manifest_key, table_key
from pipeline.record.manifest import Mode, read_manifest, read_manifests
from tests.support.fakes import Crash, FakeSigner, MemoryObjects
from tests.support.records import (
    CALENDAR,
    LONG_AFTER,
    SESSIONS,
    TABLES,
    backfilled,
    evening,
    flipped,
    market,
    record_of_runs,
    run_day,
    run_days,
    scaled,
)

BEFORE, DEAD, NEXT = SESSIONS[-5:-2], SESSIONS[-2], SESSIONS[-1]
DERIVED = {
    "forecasts": table_key("forecasts", DEAD, 0),
    "baselines": table_key("baselines", DEAD, 0),
    "scores": table_key("scores", DEAD, 0),
    "state": calibration_key(DEAD, 0),
}
VINTAGE = table_key("bars", DEAD, 0)


def other_number(key: str, data: bytes) -> bytes:
    """The object with one number changed: it can be read, and lies."""
    if key.endswith(".json"):
        return data.replace(b'"part":0', b'"part":1')
    name = key.partition("/")[0]
    columns, metadata = TABLES.decode(name, data)
    column = next(c for c, values in columns.items() if values.dtype == np.float64)
    values = columns[column].copy()
    values[0] *= 1.01
    return TABLES.encode(name, {**columns, column: values}, metadata)


DAMAGES: dict[str, Callable[[str, bytes], bytes]] = {
    "a lie": other_number,
    "flipped": lambda _, data: flipped(data, 0),
    "empty": lambda _, data: b"",
}


def dead(model: Model, n: int = 7) -> MemoryObjects:
    """A store in which a run died before its n-th write; its manifest would be the 8th."""
    store = MemoryObjects(run_days(model, BEFORE).objects, crash_before=n)
    with pytest.raises(Crash):
        run_day(model, store, DEAD, market())
    return MemoryObjects(store.objects)


def deeply(store: MemoryObjects) -> Verified:
    return verify(store, TABLES, CALENDAR, Scope(Sample(deep=True)))


def assert_whole(store: MemoryObjects, *left_behind: str) -> None:
    """One chain of all manifests, each of which comes out equal when made again."""
    links = list(walk_back(store, find_head(store)))
    assert sorted(link.manifest.key for link in links) == store.keys("runs/")
    found = deeply(store)
    assert (found.findings, found.unmade, found.left_behind) == ((), 0, left_behind)


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("name", DERIVED)
def test_what_was_damaged_before_it_was_published_is_gone_past(
    model: Model, name: str, how: str
) -> None:
    store, key = dead(model), DERIVED[name]
    left = DAMAGES[how](key, store.objects[key])
    store.objects[key] = left
    run_days(model, [DEAD, NEXT], store=store)
    clean = run_days(model, [*BEFORE, DEAD, NEXT])
    assert record_of_runs(store, TABLES) == record_of_runs(clean, TABLES)
    past = key.replace(".00.", ".01.")
    run = read_manifests(store, DEAD)[0]
    assert {**run.objects, key: sha256(clean.objects[key])}.items() >= (
        read_manifests(clean, DEAD)[0].objects.items()
    )
    assert (store.objects[past], store.objects[key]) == (clean.objects[key], left)
    assert all(replayed.equal for replayed in replay(store, TABLES, CALENDAR, DEAD))
    assert_whole(store, key)


def test_all_objects_of_a_dead_part_may_be_damaged_more_than_once(model: Model) -> None:
    store = dead(model)
    keys = [key.replace(".00.", f".{n:02d}.") for n in range(3) for key in DERIVED.values()]
    for key in keys:
        store.objects[key] = b"litter"
    run_days(model, [DEAD, NEXT], store=store)
    run = read_manifests(store, DEAD)[0]
    assert (run.part, run.calibration) == (0, calibration_key(DEAD, 3))
    assert_whole(store, *sorted(keys))


def test_what_is_equal_is_adopted_and_nothing_is_written_twice(model: Model) -> None:
    store = dead(model)
    run_day(model, store, DEAD, market())
    clean = run_days(model, [*BEFORE, DEAD]).objects
    assert {k: v for k, v in store.objects.items() if k not in VIEWS} == {
        k: v for k, v in clean.items() if k not in VIEWS
    }


@pytest.mark.parametrize("name", DERIVED)
def test_what_went_past_is_healed_where_its_manifest_says(model: Model, name: str) -> None:
    store, key = dead(model), DERIVED[name]
    store.objects[key] = b"litter"
    run_days(model, [DEAD, NEXT], store=store)
    whole = dict(store.objects)
    past = key.replace(".00.", ".01.")
    del store.objects[past]
    store.objects[manifest_key(DEAD, 0)] = b"{}"
    done = repair(store, TABLES, CALENDAR, LONG_AFTER, give_up=False)
    assert (set(done.healed), done.damaged) == ({past, manifest_key(DEAD, 0)}, {})
    assert store.objects == whole


def test_two_runs_that_go_past_otherwise_publish_one_part(model: Model) -> None:
    """Damage came between: one finishes the part as it stood, one goes past; one of them is it."""
    store, key = dead(model), DERIVED["forecasts"]

    class Meanwhile(MemoryObjects):
        def create(self, created: str, data: bytes) -> bool:
            if created == manifest_key(DEAD, 0) and created not in self.objects:
                self.objects[key] = b"litter"  # after this run has looked at it
                other = MemoryObjects()
                other.objects = self.objects
                run_day(model, other, DEAD, market())
            return super().create(created, data)

    disturbed = Meanwhile(store.objects)
    run_days(model, [DEAD, NEXT], store=disturbed)
    assert disturbed.keys(f"runs/{DEAD}") == [manifest_key(DEAD, 0)]
    assert_whole(disturbed, key)


def test_a_backfill_goes_past_what_was_damaged_and_past_what_followed(model: Model) -> None:
    clean = backfilled(model, BEFORE[0], NEXT)
    died = MemoryObjects(crash_before=27)
    with pytest.raises(Crash):
        backfilled(model, BEFORE[0], NEXT, store=died)
    store = MemoryObjects(died.objects)
    claim = read_claim(store, find_head(store))
    assert claim is not None
    dead_days = [str(day) for day in SESSIONS if day >= claim.session]
    left = [key for key in store.objects if any(day in key for day in dead_days)]
    left = [key for key in left if key.startswith(("forecasts", "baselines", "calibration"))]
    assert left
    for key in left:
        store.objects[key] = b"litter"
    backfilled(model, BEFORE[0], NEXT, store=store)
    assert record_of_runs(store, TABLES) == record_of_runs(clean, TABLES)
    assert deeply(store).findings == ()
    assert set(left) <= set(deeply(store).left_behind)


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
    store = MemoryObjects(crash_after=9)
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
