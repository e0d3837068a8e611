"""Whatever is changed, taken away or put in, `verify` names it."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.encoding import sha256, to_json
from pipeline.forecasting.bundle import load_bundle
from pipeline.forecasting.model import Model
from pipeline.jobs.noted import NotedDigest
from pipeline.jobs.remake_check import Sample
from pipeline.jobs.verify import Phase, Problem, Scope, Verified, verify
from pipeline.record.chain import find_head
from pipeline.record.keys import VIEWS
from pipeline.record.manifest import RunManifest
from pipeline.views.refresh import refresh_views
from tests.conftest import DEFAULT_BUNDLE
from tests.support.fakes import Crash, MemoryObjects
from tests.support.records import (
    CALENDAR,
    LONG_AFTER,
    SESSIONS,
    TABLES,
    backfilled,
    flipped,
    job_on,
    market,
    run,
    run_day,
    run_days,
)

SPAN = SESSIONS[-5:]
HEAD = f"runs/{SPAN[-1]}.00.json"


@cache
def model() -> Model:
    return Model(load_bundle(DEFAULT_BUNDLE))


@cache
def record() -> dict[str, bytes]:
    """Five sessions, one of them in two parts."""
    store = run_days(model(), SPAN[:2])
    run_day(model(), store, SPAN[2], {"SPY": market()["SPY"]})
    run_day(model(), store, SPAN[2], market())
    run_days(model(), SPAN[3:], store=store)
    return store.objects


def checked(objects: dict[str, bytes], noted: str | None = None) -> Verified:
    """Check every byte, and make the newest session again; test_rewriting.py makes all."""
    digests = () if noted is None else (NotedDigest(noted),)
    scope = Scope(Sample(newest=1, others=0), noted=digests)
    return verify(MemoryObjects(objects), TABLES, CALENDAR, scope)


def named(found: Verified) -> set[str]:
    return {finding.key for finding in found.findings}


def suspected(found: Verified) -> set[str]:
    """Return what is named, and the documents that say what another object should be."""
    says = re.compile(r"as (\S+) says")
    naming = {name for finding in found.findings for name in says.findall(finding.message)}
    return named(found) | naming


def test_a_record_that_nobody_touched_has_no_findings() -> None:
    found = checked(record())
    assert (found.findings, found.left_behind, found.manifests) == ((), (), 6)
    assert found.objects == len(record()) - 6 - len(VIEWS)
    assert found.head is not None
    assert found.head.manifest.key == HEAD


keys = st.deferred(lambda: st.sampled_from(sorted(record())))


@settings(max_examples=40, deadline=None)
@given(data=st.data(), key=keys, bit=st.integers(0, 7))
def test_a_byte_changed_anywhere_names_the_object(data: Any, key: str, bit: int) -> None:
    at = data.draw(st.integers(0, len(record()[key]) - 1))
    changed = {**record(), key: flipped(record()[key], at, bit)}
    assert key in named(checked(changed))


@settings(max_examples=40, deadline=None)
@given(at=st.integers(0, 10_000), bit=st.integers(0, 7))
@example(at=909, bit=0)  # of the number of an object that it names
def test_a_byte_changed_in_the_newest_manifest_names_it(at: int, bit: int) -> None:
    data = record()[HEAD]
    changed = {**record(), HEAD: flipped(data, at % len(data), bit)}
    assert HEAD in suspected(checked(changed))


@settings(max_examples=20, deadline=None)
@given(key=keys, cut=st.integers(0, 10_000))
def test_an_object_cut_short_is_named(key: str, cut: int) -> None:
    data = record()[key]
    assert key in named(checked({**record(), key: data[: cut % len(data)]}))


@settings(max_examples=20, deadline=None)
@given(key=keys)
def test_an_object_taken_away_is_named(key: str) -> None:
    found = checked({at: data for at, data in record().items() if at != key})
    if key == HEAD:
        # Nothing names it but the views, which show what it says.
        assert named(found) == set(VIEWS)
        assert found.left_behind != ()
    elif key == "claims/first.json":
        # As in a record that began before there were claims: its manifest says the same.
        assert named(found) == set()
    else:
        assert key in named(found)


@settings(max_examples=20, deadline=None)
@given(key=keys, other=keys)
def test_an_object_put_in_the_place_of_another_is_named(key: str, other: str) -> None:
    objects = record()
    if objects[key] != objects[other]:
        assert key in named(checked({**objects, key: objects[other]}))


def of(key: str) -> RunManifest:
    return msgspec.json.decode(record()[key], type=RunManifest)


def edited(key: str, **changes: Any) -> bytes:
    return to_json(msgspec.structs.replace(of(key), **changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"horizons": 4},
        {"horizons": 6},
        {"horizons": 0},
        {"source": "better bars"},
        {"mode": "as_of"},
        {"model_version": "2024-12-31-000000000000"},
        {"tickers": {"SPY": "ok"}},
        {"tickers": {}},
        {"revisions": {"SPY": {}}},
        {"previous": "0" * 64},
        {"previous": None, "previous_key": None},
        {"previous_key": "runs/2024-12-25.00.json"},
        {"part": 1},
        {"session": SPAN[0]},
        {"objects": {}},
        {"objects": {"..": "0" * 64}},
    ],
    ids=str,
)
@pytest.mark.parametrize("key", [HEAD, f"runs/{SPAN[2]}.00.json"], ids=["newest", "older"])
def test_a_manifest_that_says_something_else_is_named(key: str, changes: dict[str, Any]) -> None:
    assert key in named(checked({**record(), key: edited(key, **changes)}))


def test_the_newest_manifest_taken_away_is_missed_by_whoever_noted_it() -> None:
    head = find_head(MemoryObjects(record()))
    assert head is not None
    cut = MemoryObjects({key: data for key, data in record().items() if key != HEAD})
    refresh_views(cut, TABLES)
    # With the views made again nothing in the store tells; what was noted does.
    assert checked(cut.objects).findings == ()
    assert f"forecasts/month=2024-12/{SPAN[-1]}.00.parquet" in checked(cut.objects).left_behind
    found = checked(cut.objects, noted=head.digest)
    assert [(one.problem, one.key) for one in found.findings] == [(Problem.MISSING, head.digest)]


def test_every_manifest_that_was_noted_is_found_in_an_intact_record() -> None:
    for key in MemoryObjects(record()).keys("runs/"):
        assert checked(record(), noted=sha256(record()[key])).findings == ()


@pytest.mark.parametrize(
    "key", [f"runs/{SPAN[1]}.01.json", "runs/2024-12-01.00.json", "runs/note.json"]
)
def test_a_manifest_put_in_afterwards_is_named(key: str) -> None:
    found = checked({**record(), key: record()[f"runs/{SPAN[1]}.00.json"]})
    assert key in named(found) | set(found.strangers)


def test_a_manifest_put_in_between_is_not_in_the_chain() -> None:
    key = f"runs/{SPAN[1]}.01.json"
    found = checked({**record(), key: edited(f"runs/{SPAN[1]}.00.json", part=1)})
    assert [(one.problem, one.key) for one in found.findings] == [(Problem.NOT_IN_CHAIN, key)]


def test_a_live_manifest_issued_after_the_next_close_is_back_dated() -> None:
    late = msgspec.structs.replace(of(HEAD), issued_at=of(HEAD).issued_at.replace(year=2025))
    objects = {**record(), HEAD: to_json(late)}
    problems = {one.problem for one in checked(objects).findings if one.key == HEAD}
    assert Problem.BACK_DATED in problems


def test_a_live_run_that_came_too_late_is_back_dated_even_if_all_else_fits() -> None:
    # Under a clock that stood still, the record itself is consistent.
    class Stopped:
        def __getattr__(self, name: str) -> Any:
            return getattr(CALENDAR, name)

        def last_closed(self, at: object) -> object:
            return SPAN[-1]

    store = MemoryObjects()
    run(job_on(model(), store, market(), calendar=Stopped()), LONG_AFTER)
    found = checked(store.objects)
    assert [(one.problem, one.key) for one in found.findings] == [(Problem.BACK_DATED, HEAD)]


@pytest.mark.parametrize(("n", "claimed"), [(1, False), (2, True), (3, True), (5, True)])
def test_what_a_dead_run_left_is_named_apart_and_is_no_finding(n: int, claimed: bool) -> None:
    store = MemoryObjects(run_days(model(), SPAN[:2]).objects, crash_after=n)
    with pytest.raises(Crash):
        run_day(model(), store, SPAN[2], market())
    left = set(store.written)
    alive = MemoryObjects(store.objects)
    assert set(checked(alive.objects).left_behind) == left
    assert checked(alive.objects).findings == ()
    # The next session finishes what was claimed; what was not stays named.
    run_days(model(), SPAN[3:], store=alive)
    found = checked(alive.objects)
    assert (found.findings, set(found.left_behind)) == ((), set() if claimed else left)


def test_a_record_of_many_sessions_is_verified_with_its_progress() -> None:
    store = backfilled(model(), SESSIONS[-70], SESSIONS[-1])
    seen: list[tuple[Phase, int, int]] = []
    found = verify(store, TABLES, CALENDAR, progress=lambda *done: seen.append(done))
    assert (found.findings, found.left_behind) == ((), ())
    assert [done for phase, *done in seen if phase is Phase.READ] == [[64, 70], [70, 70]]
    assert [done for phase, *done in seen if phase is Phase.REMADE][-1] == [25, 25]
    key = f"forecasts/month=2024-09/{SESSIONS[-69]}.00.parquet"
    store.objects[key] = flipped(store.objects[key], 500)
    assert named(verify(store, TABLES, CALENDAR)) == {key}


def test_an_empty_store_has_no_record() -> None:
    found = checked({})
    assert (found.manifests, found.head, found.findings) == (0, None, ())
