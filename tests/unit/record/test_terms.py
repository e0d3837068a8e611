"""What a store was begun with it keeps; what was lost of it is not begun anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import msgspec
import pytest

from pipeline.encoding import to_json
from pipeline.errors import Overtaken, StoreError
from pipeline.forecasting.model import Model
from pipeline.jobs.backfill.run import backfill
from pipeline.jobs.daily_job import DailyJob
from pipeline.jobs.daily_summary import Outcome
from pipeline.jobs.status import read_status
from pipeline.jobs.verify import verify
from pipeline.record.chain import find_head
from pipeline.record.keys import LATEST, STORE
from pipeline.record.manifest import SCHEMA_VERSION
from pipeline.record.terms import StoreTerms, fix_terms, read_terms
from tests.support.fakes import (
    Crash,
    FakeSigner,
    FixedCalendar,
    MemoryObjects,
    ScriptedSource,
)
from tests.support.records import (
    CALENDAR,
    LONG_AFTER,
    SESSIONS,
    TABLES,
    backfilled,
    evening,
    job_on,
    market,
    run,
    run_day,
    run_days,
)

SPAN = SESSIONS[-3:]
KEY, OTHER_KEY = "ab" * 32, "cd" * 32


def other_source() -> ScriptedSource:
    source = ScriptedSource.of(*market().values())
    source.label = "another"
    return source


class Elsewhere(FixedCalendar):
    name = "XLON"


ANOTHER = {
    "source": lambda job: replace(job, source=other_source()),
    "calendar": lambda job: replace(job, calendar=Elsewhere(CALENDAR.sessions)),
    "public key": lambda job: replace(job, signer=FakeSigner(KEY)),
}


def resume(job: DailyJob) -> None:
    run(job, evening(SPAN[1]))


def resume_by_backfill(job: DailyJob) -> None:
    backfill(job, SPAN[1], SPAN[1], LONG_AFTER, lambda *_: None)


def test_the_first_publication_stores_what_the_record_begins_with(model: Model) -> None:
    for store in (run_days(model, SPAN[:2]), backfilled(model, SPAN[0], SPAN[1])):
        assert read_terms(store) == StoreTerms(SCHEMA_VERSION, "scripted", "FIXED")
    signed = run_days(model, SPAN[:1], signer=FakeSigner(KEY))
    assert read_terms(signed) == StoreTerms(SCHEMA_VERSION, "scripted", "FIXED", KEY)
    written = run_days(model, SPAN[:1], store=MemoryObjects()).written
    assert written.index(STORE) + 1 == written.index("claims/first.json")


@pytest.mark.parametrize("go_on", [resume, resume_by_backfill])
@pytest.mark.parametrize("what", ANOTHER)
def test_another_source_calendar_or_key_needs_another_store(
    model: Model, what: str, go_on: Callable[..., object]
) -> None:
    store = run_days(model, SPAN[:1])
    before = dict(store.objects)
    with pytest.raises(StoreError, match=rf"store\.json: expected {what} .*another {what} needs"):
        go_on(ANOTHER[what](job_on(model, store, market())))
    assert store.objects == before


def test_a_signed_store_is_not_gone_on_with_unsigned_or_by_another_key(model: Model) -> None:
    store = run_days(model, SPAN[:1], signer=FakeSigner(KEY))
    for key in (None, OTHER_KEY):
        with pytest.raises(StoreError, match=f"expected public key {KEY} .*got {key or 'none'}"):
            run_days(model, SPAN[1:2], store=store, signer=FakeSigner(key) if key else None)
    run_days(model, SPAN[1:2], store=store, signer=FakeSigner(KEY))


def test_who_begins_a_record_at_the_same_time_sees_what_the_other_began(model: Model) -> None:
    store = MemoryObjects()
    fix_terms(store, StoreTerms(SCHEMA_VERSION, "scripted", "FIXED"))
    with pytest.raises(StoreError, match=r"got another.*nothing was published in it: it may be"):
        fix_terms(store, StoreTerms(SCHEMA_VERSION, "another", "FIXED"))


BAD_TERMS = {
    "no JSON": (b"{", "expected the terms of a store"),
    "no UTF-8": (b'{"schema_version": 3, "source": "\xff"}', "expected the terms of a store"),
    "another version": (b'{"schema_version": 4, "new": 1}', "expected schema version 3, got 4"),
}


@pytest.mark.parametrize(("data", "words"), BAD_TERMS.values(), ids=BAD_TERMS)
def test_terms_that_are_none_are_one_clear_error(model: Model, data: bytes, words: str) -> None:
    store = run_days(model, SPAN[:1])
    store.objects[STORE] = data
    with pytest.raises(StoreError, match=words) as said:
        run_days(model, SPAN[1:2], store=store)
    assert "\n" not in str(said.value)


# Lost


FIRST_CLAIM = "claims/first.json"
LOST: dict[str, Callable[[str], bool]] = {
    "manifests": lambda key: key.startswith("runs/"),
    "manifests and views": lambda key: key.startswith(("runs/", "latest", "track_rec", "index")),
    "manifests and claims": lambda key: key.startswith(("runs/", "claims/")),
    "manifests and all claims but the first": lambda key: (
        key.startswith(("runs/", "claims/")) and key != FIRST_CLAIM
    ),
    "manifests, claims and terms": lambda key: key.startswith(("runs/", "claims/", STORE)),
    "terms": lambda key: key == STORE,
    "manifests and tables": lambda key: not key.startswith(("bars/", "claims/", STORE)),
    "all but bars and a claim": lambda key: not key.startswith(("bars/", FIRST_CLAIM)),
}


@pytest.mark.parametrize("go_on", [resume, resume_by_backfill])
@pytest.mark.parametrize("is_lost", LOST.values(), ids=LOST)
def test_a_record_of_which_much_was_lost_is_not_begun_anew(
    model: Model, is_lost: Callable[[str], bool], go_on: Callable[[DailyJob], None]
) -> None:
    whole = run_days(model, [*SESSIONS[-6:-3], SPAN[0]]).objects
    store = MemoryObjects({key: data for key, data in whole.items() if not is_lost(key)})
    before = dict(store.objects)
    with pytest.raises(StoreError, match="expected .*found none: restore it from a copy"):
        go_on(job_on(model, store, market()))
    assert store.objects == before


@pytest.mark.parametrize("go_on", [run_days, backfilled])
@pytest.mark.parametrize("n", range(1, 13))
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_first_run_that_died_anywhere_is_gone_on_with(
    model: Model, n: int, after: bool, go_on: Callable[..., object]
) -> None:
    store = MemoryObjects(**{"crash_after" if after else "crash_before": n})
    args = (SPAN[:1],) if go_on is run_days else (SPAN[0], SPAN[1])
    with pytest.raises(Crash):
        go_on(model, *args, bars=market(), store=store)
    alive = MemoryObjects(store.objects)
    go_on(model, *args, bars=market(), store=alive)
    assert alive.objects == go_on(model, *args).objects
    assert verify(alive, TABLES, CALENDAR).findings == ()


def test_a_dead_backfill_has_no_claim_but_the_first_before_its_first_manifest(
    model: Model,
) -> None:
    class Stuck(MemoryObjects):
        def create(self, key: str, data: bytes) -> bool:
            if key.startswith("runs/"):
                raise StoreError("expected to write, got: slow down")
            return super().create(key, data)

    store = Stuck()
    with pytest.raises((StoreError, Overtaken)):
        backfilled(model, SESSIONS[-20], SPAN[0], store=store)
    assert store.keys("claims/") == [FIRST_CLAIM]


# Of another version


def earlier(store: MemoryObjects) -> MemoryObjects:
    """The store as the version before wrote it: its manifests say so, and there are no terms."""
    old = MemoryObjects({k: v for k, v in store.objects.items() if k not in (STORE, LATEST)})
    for key in old.keys("runs/"):
        document = msgspec.json.decode(old.objects[key])
        old.objects[key] = to_json(document | {"schema_version": 1})
    return old


def test_a_store_of_another_version_is_refused_in_one_line_by_all(model: Model) -> None:
    store = earlier(run_days(model, SPAN[:1]))
    for refused in (
        lambda: run_day(model, store, SPAN[1], market()),
        lambda: backfilled(model, SPAN[1], SPAN[1], store=store),
        lambda: read_status(store, CALENDAR, LONG_AFTER),
        lambda: verify(store, TABLES, CALENDAR),
        lambda: find_head(store),
    ):
        with pytest.raises(StoreError, match=r"runs/.*: expected schema version 3, got 1") as said:
            refused()
        assert "\n" not in str(said.value)
        assert "another store" in str(said.value)


def test_a_store_that_nobody_has_published_in_is_a_new_one(model: Model) -> None:
    store = MemoryObjects({"notes.txt": b"mine", "bars/note": b"mine"})
    assert run_day(model, store, SPAN[0], market()).outcome is Outcome.PUBLISHED
