"""First mistakes cost nothing: what was run wrongly, and published nobody or died, binds nobody.

Between the runs of test_daily_runs come others that nobody wanted: of another source, mode or
tickers, or under a clock that is wrong, all of which die before they claim anything; and runs of
sources that have no bars of the session. After each the record is what it was, and the next right
run publishes as if they had not been.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import rule

from pipeline.errors import RequestError, StoreError
from pipeline.jobs.daily_job import DailyJob
from pipeline.jobs.remake import finish_claimed
from pipeline.ports import ObjectStore
from pipeline.record.chain import find_head
from pipeline.record.keys import CLAIMS, STORE
from pipeline.record.manifest import Mode, read_manifests
from tests.properties.test_daily_runs import (
    BARS,
    CALENDAR,
    DAYS,
    SESSIONS,
    TABLES,
    TICKERS,
    VIEWS,
    DailyRuns,
    DailyRunsInAFolder,
    DailyRunsInS3,
    answering,
    check,
    die,
)
from tests.support.fakes import Crash, ScriptedSource
from tests.support.records import run

FAR_AHEAD = DAYS[-7]  # later than any other run is for
NO_RECORD = ("bars/", "bundles/")


class Dying:
    """A store by which a run dies as it is about to claim, or earlier, at the n-th write."""

    def __init__(self, store: ObjectStore, n: int) -> None:
        self._store, self._left = store, n
        self.read, self.keys, self.url = store.read, store.keys, store.url
        self.replace = store.replace

    def create(self, key: str, data: bytes) -> bool:
        self._left -= 1
        if self._left == 0 or key == STORE or key.startswith(CLAIMS):
            die()
        return self._store.create(key, data)


def labelled(source: ScriptedSource, label: str) -> ScriptedSource:
    source.label = label
    return source


DEAD: dict[str, Callable[[DailyJob], DailyJob]] = {
    "another source": lambda job: replace(job, source=labelled(job.source, "simulated")),
    "another mode": lambda job: replace(job, mode=Mode.AS_OF),
    "fewer tickers": lambda job: replace(job, tickers=TICKERS[:1]),
    "more tickers": lambda job: replace(job, tickers=(*TICKERS, "IWM")),
}


class MistakenRuns(DailyRuns):
    """The runs of test_daily_runs with mistakes in between."""

    @rule(what=st.sampled_from(sorted(DEAD)), n=st.integers(1, 6), minutes=st.integers(0, 600))
    def dead_run_of(self, what: str, n: int, minutes: int) -> None:
        self.try_wrongly(lambda: DEAD[what](self.job(Dying(self.store, n), self.source())), minutes)

    @rule(n=st.integers(1, 6))
    def dead_run_under_a_clock_far_ahead(self, n: int) -> None:
        # The bars of that day are there: of an invented market, say.
        ahead = (FAR_AHEAD - SESSIONS[self.today]).days
        self.try_wrongly(lambda: self.job(Dying(self.store, n), self.source()), ahead * 24 * 60)

    @rule(days=st.integers(0, 2), label=st.sampled_from(["scripted", "another"]))
    def run_of_a_source_that_has_ended(self, days: int, label: str) -> None:
        end = CALENDAR.last_closed(self.at(days * 24 * 60)) - timedelta(days=1)
        bars = {ticker: bars.as_of(end) for ticker, bars in self.bars.items()}
        source = labelled(answering(bars), label)
        self.try_wrongly(lambda: self.job(self.store, source), days * 24 * 60)

    @rule(days=st.integers(0, 2), label=st.sampled_from(["scripted", "another"]))
    def run_of_a_source_that_gives_nothing(self, days: int, label: str) -> None:
        source = labelled(answering({}), label)
        self.try_wrongly(lambda: self.job(self.store, source), days * 24 * 60)

    @rule(minutes=st.integers(0, 600))
    def right_run(self, minutes: int) -> None:
        self.down, self.late = set(), False
        self.event(minutes)
        parts = read_manifests(self.store, SESSIONS[self.today])
        published = set().union(*(part.published for part in parts))
        assert {t for t in TICKERS if self.bars[t] is BARS[t]} <= published
        # No record begins with a session of which every ticker's bars are bent.
        assert {(part.mode, part.source) for part in parts} <= {(Mode.LIVE, "scripted")}

    def try_wrongly(self, make: Callable[[], DailyJob], minutes: int) -> None:
        """Run the job at a time; nothing of it may be on the record afterwards.

        What another has claimed is finished first, which any run does.
        """
        finish_claimed(self.store, TABLES, CALENDAR, find_head(self.store))
        before = self.recorded()
        with contextlib.suppress(Crash, RequestError, StoreError):
            run(make(), self.at(minutes))
        # What a right run has read before it died is as good as if it had been read now.
        assert self.died or self.recorded() == before

    def recorded(self) -> dict[str, bytes]:
        there = self.look().objects
        return {k: v for k, v in there.items() if k not in VIEWS and not k.startswith(NO_RECORD)}

    def teardown(self) -> None:
        if not self.events:
            self.right_run(0)
        super().teardown()


class MistakenRunsInAFolder(MistakenRuns, DailyRunsInAFolder):
    pass


class MistakenRunsInS3(MistakenRuns, DailyRunsInS3):
    pass


def test_mistakes_leave_the_record_as_it_was_in_memory() -> None:
    check(MistakenRuns, 25)


def test_mistakes_leave_the_record_as_it_was_in_a_folder() -> None:
    check(MistakenRunsInAFolder, 4)


@pytest.mark.usefixtures("bucket")
def test_mistakes_leave_the_record_as_it_was_in_s3() -> None:
    check(MistakenRunsInS3, 4)
