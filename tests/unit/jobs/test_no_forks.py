"""Whoever else writes in between, and whoever dies: one part follows another, and none is lost."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from pipeline.errors import Overtaken, RequestError
from pipeline.forecasting.model import Model
from pipeline.jobs.backfill.run import backfill
from pipeline.jobs.replay import replay
from pipeline.jobs.verify import verify
from pipeline.record.chain import find_head, walk_back
from pipeline.record.claims import claim_of
from tests.support.fakes import Crash, MemoryObjects
from tests.support.records import (
    CALENDAR,
    LONG_AFTER,
    SESSIONS,
    TABLES,
    evening,
    job_on,
    market,
    run,
)

BEGUN, BACKFILLED, LATER, LAST = SESSIONS[-6], SESSIONS[-5:-3], SESSIONS[-3:-1], SESSIONS[-1]
Actor = Callable[[Model, MemoryObjects], object]


class Shared(MemoryObjects):
    """A store to which somebody else writes, or by which a run dies, before the n-th write."""

    def __init__(self, objects: dict[str, bytes], n: int, act: Callable[[], object]) -> None:
        super().__init__(objects)
        self._left, self._act = n, act

    def create(self, key: str, data: bytes) -> bool:
        with self._lock:
            self._left -= 1
            due = self._left == 0
        if due:
            self._act()
        return super().create(key, data)


def run_of(session: int) -> Actor:
    def act(model: Model, store: MemoryObjects) -> None:
        run(job_on(model, store, market()), evening(LATER[session]))

    return act


def backfill_at(month: int) -> Actor:
    def act(model: Model, store: MemoryObjects) -> None:
        at = LONG_AFTER.replace(month=month)
        backfill(job_on(model, store, market()), *BACKFILLED, at, lambda *_: None)

    return act


def try_to(act: Actor, model: Model, store: MemoryObjects) -> None:
    """Act; whoever comes too late is told what was expected."""
    try:
        act(model, store)
    except (RequestError, Overtaken) as exc:
        assert "expected" in str(exc)


def die() -> None:
    raise Crash("here")


@pytest.fixture(scope="module")
def begun(model: Model) -> dict[str, bytes]:
    """A record of one backfilled session, to go on from."""
    store = MemoryObjects()
    backfill(job_on(model, store, market()), BEGUN, BEGUN, LONG_AFTER, lambda *_: None)
    return store.objects


def assert_one_chain(model: Model, store: MemoryObjects) -> None:
    """Every manifest is in the chain and comes out equal when made again; runs go on."""
    run(job_on(model, store, market()), evening(LAST))
    links = list(walk_back(store, find_head(store)))
    assert sorted(link.manifest.key for link in links) == store.keys("runs/")
    for link in links:
        again = replay(store, TABLES, CALENDAR, link.manifest.session)
        assert [replayed.key for replayed in again if not replayed.equal] == []
    assert verify(store, TABLES, CALENDAR).findings == ()


def slowly(*writes: int) -> list[object]:
    return [pytest.param(n, marks=pytest.mark.slow) for n in writes]


ACTORS = {
    "the next session's run beside a run": (run_of(0), run_of(1)),
    "the run of the session before beside a run": (run_of(1), run_of(0)),
    "a run beside a backfill": (backfill_at(2), run_of(0)),
    "a backfill beside a run": (run_of(0), backfill_at(2)),
    "a backfill beside the same backfill": (backfill_at(2), backfill_at(3)),
}


@pytest.mark.parametrize("n", [3, *slowly(1, 2, 4, 5, 6, 7, 8)])
@pytest.mark.parametrize("who", ACTORS)
def test_of_two_at_once_one_follows_the_other(
    model: Model, begun: dict[str, bytes], who: str, n: int
) -> None:
    first, second = ACTORS[who]
    other = MemoryObjects()
    store = Shared(begun, n, lambda: try_to(second, model, other))
    other.objects = store.objects
    try_to(first, model, store)
    try_to(second, model, store)
    try_to(first, model, store)
    assert_one_chain(model, store)


@pytest.mark.parametrize("n", [4, *slowly(2, 3, 5, 6, 7)])
@pytest.mark.parametrize("who", ACTORS)
def test_what_one_that_died_has_claimed_is_finished_by_the_other(
    model: Model, begun: dict[str, bytes], who: str, n: int
) -> None:
    first, second = ACTORS[who]
    store = Shared(begun, n, die)
    with pytest.raises(Crash):
        first(model, store)
    alive = MemoryObjects(store.objects)
    try_to(second, model, alive)
    try_to(first, model, alive)
    claimed = set(store.keys("claims/"))
    assert claimed <= set(alive.keys("claims/"))
    assert_one_chain(model, alive)


def test_a_claim_of_a_part_that_is_published_ends_in_one_error(
    model: Model, begun: dict[str, bytes]
) -> None:
    """No run makes one; whoever looks at it must not look for ever."""
    store = MemoryObjects(begun)
    head = find_head(store)
    assert head is not None
    claim = msgspec.structs.replace(claim_of(head.manifest), previous=head.digest)
    store.objects[claim.key] = claim.encode()
    with pytest.raises(Overtaken, match=r"runs/.*but another run did"):
        run_of(0)(model, store)
