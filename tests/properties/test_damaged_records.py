"""Whatever is damaged, dies, changes its model or writes at once: one chain, and every byte again.

Runs of adjacent sessions and backfills begin between any two writes of each other, die there, swap
the model and swap it back, and objects that follow from others vanish or are flipped. In the end a
repair leaves every object as it was first written, the record verifies to its last session made
again, and every session that a run published is on it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import date

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from pipeline.errors import DamagedObject, Overtaken, RequestError
from pipeline.forecasting.bundle import ModelBundle, load_bundle
from pipeline.forecasting.model import Model
from pipeline.jobs.backfill.run import backfill
from pipeline.jobs.remake_check import Sample
from pipeline.jobs.repair import repair
from pipeline.jobs.verify import Scope, verify
from pipeline.record.chain import Link, find_head, walk_back
from pipeline.record.keys import BUNDLES, CLAIMS, PLANS, RUNS, STORE, VIEWS
from tests.conftest import DEFAULT_BUNDLE
from tests.support.fakes import Crash, MemoryObjects
from tests.support.records import (
    CALENDAR,
    LONG_AFTER,
    SESSIONS,
    TABLES,
    evening,
    flipped,
    job_on,
    market,
    run,
)

DAYS = SESSIONS[-12:]
BARS = market()
# Beside these all follows from what lies in the store.
KEPT = ("bars/", BUNDLES, CLAIMS, PLANS, STORE)


def replaced(model: Model) -> Model:
    """The model as of another training: only its version differs."""
    version = f"{DAYS[0]}-{model.manifest.model_version[-12:]}"
    training = msgspec.structs.replace(model.manifest.training, last_session=DAYS[0])
    manifest = msgspec.structs.replace(model.manifest, model_version=version, training=training)
    return Model(ModelBundle(manifest, model.bundle.onnx))


MODELS = (model := Model(load_bundle(DEFAULT_BUNDLE)), replaced(model))


class Between(MemoryObjects):
    """The same objects, with something done before or after the n-th write."""

    def __init__(self, objects: dict[str, bytes], n: int, act: Callable[[], None]) -> None:
        super().__init__()
        self.objects, self._left, self._act = objects, n, act

    def _write(self, key: str, data: bytes, *, over: bool) -> bool:
        self._left -= 1
        if self._left == 0:
            self._act()
        return super()._write(key, data, over=over)


class DamagedRecords(RuleBasedStateMachine):
    @initialize(begun_by=st.sampled_from(["run", "backfill", "dead backfill"]))
    def begin(self, begun_by: str) -> None:
        self.store, self.seen = MemoryObjects(), dict[str, bytes]()
        self.today, self.model, self.damaged = 3, 0, set[str]()
        if begun_by == "run":
            self.run(self.store, DAYS[3])
            return
        if begun_by == "dead backfill":
            with suppress(Crash):
                self.backfill(Between(self.store.objects, 19, die))
        self.backfill(self.store)

    @rule()
    def next_session(self) -> None:
        self.today = min(self.today + 1, len(DAYS) - 2)
        self.run(self.store, DAYS[self.today])

    @rule(n=st.integers(1, 9))
    def a_run_that_dies(self, n: int) -> None:
        self.today = min(self.today + 1, len(DAYS) - 2)
        with suppress(Crash):
            self.run(Between(self.store.objects, n, die), DAYS[self.today])

    @rule(n=st.integers(1, 9))
    def a_run_beside_that_of_the_next_session(self, n: int) -> None:
        self.today = min(self.today + 2, len(DAYS) - 2)
        before, after = DAYS[self.today - 1 : self.today + 1]
        self.run(Between(self.store.objects, n, lambda: self.run(self.store, after)), before)

    @rule(n=st.integers(1, 25))
    def a_backfill_beside_a_run(self, n: int) -> None:
        self.today = min(self.today + 3, len(DAYS) - 2)
        first, last, next_one = DAYS[self.today - 2 : self.today + 1]
        other = Between(self.store.objects, n, lambda: self.run(self.store, next_one))
        with suppress(RequestError, Overtaken):
            self.backfill(other, first, last)

    @rule()
    def another_model(self) -> None:
        self.model = 1 - self.model

    @rule(choice=st.integers(0, 10_000), flip=st.booleans())
    def damage(self, choice: int, flip: bool) -> None:
        # What is on the record; its newest manifest is named by nobody.
        links = list(walk_back(self.store, self.find_newest()))
        published = {key for link in links for key in link.manifest.objects}
        published |= {link.manifest.key for link in links[1:]}
        keys = sorted(key for key in published if not key.startswith(KEPT))
        if keys:
            key = keys[choice % len(keys)]
            if flip:
                self.store.objects[key] = flipped(self.seen[key], 0)
            else:
                self.store.objects.pop(key, None)
            self.damaged.add(key)

    @invariant()
    def nothing_that_was_written_has_other_bytes_but_what_was_damaged(self) -> None:
        now = {key: data for key, data in self.store.objects.items() if key not in VIEWS}
        for key, data in self.seen.items():
            assert now.get(key) == data or key in self.damaged, key
        self.damaged = {key for key in self.damaged if now.get(key) != self.seen[key]}
        self.seen = {**now, **self.seen}

    def teardown(self) -> None:
        self.run(self.store, DAYS[-1])
        assert repair(self.store, TABLES, CALENDAR, LONG_AFTER, give_up=False).damaged == {}
        self.damaged = set()
        self.nothing_that_was_written_has_other_bytes_but_what_was_damaged()
        found = verify(self.store, TABLES, CALENDAR, Scope(Sample(deep=True)))
        assert (found.findings, found.unmade) == ((), 0)
        assert found.manifests == len(self.store.keys(RUNS))
        assert found.head is not None
        assert found.head.manifest.session == DAYS[-1]

    def find_newest(self) -> Link | None:
        """Return the newest link, None where the chain is damaged already."""
        try:
            head = find_head(self.store)
            list(walk_back(self.store, head))
        except DamagedObject:
            return None
        return head

    def run(self, store: MemoryObjects, session: date) -> None:
        with suppress(RequestError):  # the record has gone on
            run(job_on(MODELS[self.model], store, BARS), evening(session))

    def backfill(self, store: MemoryObjects, first: date = DAYS[0], last: date = DAYS[3]) -> None:
        job = job_on(MODELS[self.model], store, BARS)
        backfill(job, first, last, LONG_AFTER, lambda done, of: None)


def die() -> None:
    raise Crash


def test_whatever_is_damaged_every_byte_comes_again() -> None:
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(
        DamagedRecords,
        settings=settings(
            max_examples=12,
            stateful_step_count=8,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
