"""What a dead run left unpublished and was damaged since is gone past, never taken up."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pipeline.encoding import sha256
from pipeline.forecasting.model import Model
from pipeline.jobs.remake_check import Sample
from pipeline.jobs.repair import repair
from pipeline.jobs.replay import replay
from pipeline.jobs.verify import Scope, Verified, verify
from pipeline.record.chain import find_head, walk_back
from pipeline.record.claims import read_claim
from pipeline.record.keys import VIEWS, calibration_key, manifest_key, table_key
from pipeline.record.manifest import read_manifests
from tests.support.fakes import Crash, MemoryObjects
from tests.support.records import (
    CALENDAR,
    LONG_AFTER,
    SESSIONS,
    TABLES,
    backfilled,
    flipped,
    market,
    record_of_runs,
    run_day,
    run_days,
)

BEFORE, DEAD, NEXT = SESSIONS[-5:-2], SESSIONS[-2], SESSIONS[-1]
DERIVED = {
    "forecasts": table_key("forecasts", DEAD, 0),
    "baselines": table_key("baselines", DEAD, 0),
    "scenarios": table_key("scenarios", DEAD, 0),
    "templates": table_key("templates", DEAD, 0),
    "scenario scores": table_key("scenario_scores", DEAD, 0),
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
    column = next(c for c, values in columns.items() if values.dtype.kind == "f")
    values = columns[column].copy()
    values[0] *= values.dtype.type(1.01)
    return TABLES.encode(name, {**columns, column: values}, metadata)


DAMAGES: dict[str, Callable[[str, bytes], bytes]] = {
    "a lie": other_number,
    "flipped": lambda _, data: flipped(data, 0),
    "empty": lambda _, data: b"",
}


def dead(model: Model, n: int = 10) -> MemoryObjects:
    """A store in which a run died before its n-th write; its manifest would be the 11th."""
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
