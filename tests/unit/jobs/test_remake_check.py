"""Which sessions are made again, and what is said where one cannot be."""

from __future__ import annotations

from datetime import date, timedelta

import msgspec
import pytest

from pipeline.forecasting.model import Model
from pipeline.jobs.remake_check import Sample
from pipeline.jobs.verify import Problem, Scope, verify
from pipeline.record.manifest import RunManifest
from pipeline.record.state import Outstanding
from tests.support.fakes import MemoryObjects
from tests.support.records import CALENDAR, SESSIONS, TABLES, flipped, run_days
from tests.support.rewriting import Part, rewrite

DAYS = [date(2020, 1, 1) + timedelta(days=i) for i in range(400)]
SPAN = SESSIONS[-6:]
DEEP = Scope(Sample(deep=True))


def test_the_newest_and_some_others_are_drawn_and_by_one_seed_the_same() -> None:
    draws = [Sample(seed=seed).draw(DAYS) for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]
    assert all(len(draw) == 25 and set(DAYS[-5:]) <= draw for draw in draws)


def test_without_a_seed_nobody_knows_beforehand() -> None:
    assert len({frozenset(Sample().draw(DAYS)) for _ in range(5)}) > 1


def test_every_session_can_be_drawn() -> None:
    drawn = set[date]()
    for seed in range(300):
        drawn |= Sample(seed=seed).draw(DAYS)
    assert drawn == set(DAYS)


@pytest.mark.parametrize("n", [0, 1, 5, 24, 25])
def test_a_short_record_is_made_again_whole(n: int) -> None:
    assert Sample().draw(DAYS[:n]) == set(DAYS[:n])


def test_deep_is_all() -> None:
    assert Sample(deep=True).draw(DAYS) == set(DAYS)


def test_sessions_that_need_a_damaged_object_are_counted_and_no_findings(model: Model) -> None:
    objects = run_days(model, SPAN).objects
    key = f"calibration/{SPAN[2]}.00.json"
    found = verify(
        MemoryObjects({**objects, key: flipped(objects[key], 9)}), TABLES, CALENDAR, DEEP
    )
    assert [(f.problem, f.key) for f in found.findings] == [(Problem.CHANGED, key)]
    # The part after it, made from that state.
    assert (found.remade, found.unmade) == (6, 1)


def test_a_part_that_cannot_be_made_again_from_whole_objects_is_unconfirmed(model: Model) -> None:
    objects = run_days(model, SPAN).objects
    run = f"runs/{SPAN[2]}.00.json"
    part = Part(objects, msgspec.json.decode(objects[run], type=RunManifest))
    # Readable, named by every digest, and senseless for the part after: nobody issued that.
    issued = Outstanding(SPAN[1], 0, "live", {"IWM": (1,)})
    forged = rewrite(objects, part.with_state(outstanding=(issued,)))
    found = verify(MemoryObjects(forged), TABLES, CALENDAR, DEEP)
    problems = {f.key: f.problem for f in found.findings}
    assert problems[part.run.calibration] is Problem.CHANGED
    assert problems[f"runs/{SPAN[3]}.00.json"] is Problem.UNCONFIRMED


def test_progress_counts_the_parts(model: Model) -> None:
    seen: list[tuple[str, int, int]] = []
    store = run_days(model, SPAN)
    verify(store, TABLES, CALENDAR, DEEP, lambda *now: seen.append(now))
    assert seen == [("Manifests", 6, 6), *(("Made again", i, 6) for i in range(1, 7))]
