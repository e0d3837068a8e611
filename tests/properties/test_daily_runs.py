"""Whatever happens to the runs of a few sessions, the store ends as if nothing had.

Events come twice, at once, late; runs die before or after any write; the source revises bars,
loses tickers and gets them back. Afterwards every object must equal, byte for byte, what
undisturbed runs write that read the same vintages, and no object may ever have changed; and the
record must verify: every forecast scored once, one chain of manifests.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import boto3
import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from pipeline.adapters.aws.s3_store import S3Objects
from pipeline.adapters.folder_store import FolderObjects
from pipeline.bars import RawBars
from pipeline.encoding import sha256
from pipeline.errors import Reason, RequestError, SourceUnavailable
from pipeline.forecasting.bundle import load_bundle
from pipeline.forecasting.model import Model
from pipeline.jobs.daily_job import DailyJob
from pipeline.jobs.verify import verify
from pipeline.ports import ObjectStore, Reading
from pipeline.record.keys import (
    BUNDLES,
    LATEST,
    VIEWS,
    table_key,
)
from pipeline.record.manifest import RunManifest, read_manifests
from pipeline.record.vintage import Vintage
from tests.conftest import DEFAULT_BUNDLE
from tests.support.builders import raw_bars, weekdays
from tests.support.disturbed_stores import Disturbed, DisturbedReader, Watched, die
from tests.support.fakes import Crash, FixedCalendar, MemoryObjects, ScriptedSource
from tests.support.records import FORECAST, RememberingTables, run

TICKERS = ("SPY", "QQQ", "DIA")
DAYS = weekdays(360, "2024-12-31").tolist()
SESSIONS = DAYS[-30:-10]
CALENDAR = FixedCalendar(DAYS)
TABLES = RememberingTables()
MODEL = Model(load_bundle(DEFAULT_BUNDLE))
BARS = {ticker: raw_bars(ticker, 360, session=weekdays(360, "2024-12-31")) for ticker in TICKERS}


class DailyRuns(RuleBasedStateMachine):
    """Runs against one store; `make_store` is set by the variants below."""

    def make_store(self) -> ObjectStore:
        return MemoryObjects()

    @initialize()
    def start(self) -> None:
        self.store = Watched(self.make_store())
        self.died = False
        self.late = False
        self.today = 0
        self.bars = dict(BARS)
        self.down: set[str] = set()
        self.seen: dict[str, bytes] = {}
        self.events: dict[date, datetime] = {}

    @rule()
    def next_session(self) -> None:
        self.today = min(self.today + 1, len(SESSIONS) - 1)

    @rule(minutes=st.integers(0, 600))
    def event(self, minutes: int) -> None:
        self.run(self.store, self.at(minutes))
        # A view left behind by a death is mended by the next run that finds its session there.
        self.died = self.died and not read_manifests(self.store, SESSIONS[self.today])

    @rule(back=st.integers(1, 3))
    def late_event_of_an_older_session(self, back: int) -> None:
        if self.today >= back:
            with contextlib.suppress(RequestError):  # what the record has left behind stays so
                self.run(self.store, self.at(0) - timedelta(days=back))

    @rule(n=st.integers(1, 10), after=st.booleans())
    def event_that_dies(self, n: int, after: bool) -> None:
        with contextlib.suppress(Crash):
            self.run(Disturbed(self.store, n, die, after), self.at(1))
        self.died = True

    def other_event(self) -> None:
        """Another run of the same session, of bars revised since, all tickers back."""
        self.revise("SPY", 1.002)
        self.down = set()
        self.run(self.store, self.at(3))

    @rule(n=st.integers(1, 8), down=st.sets(st.sampled_from(TICKERS)))
    def two_events_at_once(self, n: int, down: set[str]) -> None:
        self.next_session()
        self.down = down
        self.run(Disturbed(self.store, n, self.other_event, after=False), self.at(2))

    @rule(n=st.integers(1, 40), down=st.sets(st.sampled_from(TICKERS)))
    def two_events_at_once_of_which_one_reads_later(self, n: int, down: set[str]) -> None:
        self.next_session()
        self.down = down
        self.run(DisturbedReader(self.store, n, self.other_event), self.at(2))

    @rule(n=st.integers(1, 8), dies_after=st.integers(1, 8))
    def two_events_at_once_of_which_one_dies(self, n: int, dies_after: int) -> None:
        def other() -> None:
            self.revise("SPY", 1.002)
            with contextlib.suppress(Crash):
                self.run(Disturbed(self.store, dies_after, die, after=True), self.at(3))
            self.died = True

        self.next_session()
        self.run(Disturbed(self.store, n, other, after=False), self.at(2))

    @rule(ticker=st.sampled_from(TICKERS), factor=st.sampled_from([0.999, 1.0005, 1.02]))
    def revise(self, ticker: str, factor: float) -> None:
        close = self.bars[ticker].close * factor
        raw = self.bars[ticker]
        self.bars[ticker] = dataclasses.replace(
            raw, close=close, high=raw.high * 1.003, low=raw.low / 1.003
        )

    @rule(tickers=st.sets(st.sampled_from(TICKERS)))
    def lose_tickers(self, tickers: set[str]) -> None:
        self.down = tickers

    @rule()
    def the_source_is_late(self) -> None:
        self.late = not self.late

    def look(self) -> MemoryObjects:
        """Everything that lies in the store now."""
        return MemoryObjects({key: self.store.read(key) or b"" for key in self.store.keys("")})

    @invariant()
    def the_store_keeps_its_word(self) -> None:
        there = self.look()
        self.the_latest_view_shows_the_newest_session_with_all_its_parts(there)
        self.nothing_written_ever_changes(there)
        self.a_manifest_means_its_objects_are_there(there)

    def the_latest_view_shows_the_newest_session_with_all_its_parts(
        self, there: MemoryObjects
    ) -> None:
        sessions = [day for day in self.events if read_manifests(there, day)]
        if self.died or not sessions:
            return
        view = msgspec.json.decode(there.read(LATEST) or b"")
        assert view["session"] == max(sessions).isoformat()
        parts = read_manifests(there, max(sessions))
        shown = {ticker for ticker, one in view["tickers"].items() if one["status"] == "ok"}
        assert shown == set().union(*(manifest.published for manifest in parts))

    def nothing_written_ever_changes(self, there: MemoryObjects) -> None:
        now = {key: data for key, data in there.objects.items() if key not in VIEWS}
        assert {key: now.get(key) for key in self.seen} == self.seen
        self.seen = now

    def a_manifest_means_its_objects_are_there(self, there: MemoryObjects) -> None:
        for session in self.events:
            published: list[str] = []
            for manifest in read_manifests(there, session):
                assert manifest.opens_session or set(manifest.tickers) == manifest.published
                for key, digest in manifest.objects.items():
                    assert sha256(there.read(key) or b"") == digest
                published += manifest.published
            assert len(published) == len(set(published))

    def teardown(self) -> None:
        self.down, self.late = set(), False
        if self.events:
            # Completes what a death left of the newest session, and both views.
            with contextlib.suppress(RequestError):
                run(self.job(self.store, self.source()), self.events[max(self.events)])
        there = self.look()
        self.nothing_written_ever_changes(there)
        stored = there.objects
        clean, on_record, used_up = MemoryObjects(), set[tuple[date, int]](), set[str]()
        for session in sorted(self.events):
            manifests = read_manifests(there, session)
            used_up |= numbers_used_up(manifests)
            clean.objects |= {key: stored[key] for key in used_up}
            for manifest in manifests:
                on_record.add((session, manifest.part))
                data = there.read(table_key("bars", session, manifest.part))
                vintage = Vintage.decode(TABLES, data or b"")
                run(self.job(clean, replayed(vintage)), vintage.info.issued_at)
        assert {key: stored.get(key) for key in clean.objects} == clean.objects
        # Beside the record lies what runs left that died and were overtaken by the next session.
        left = {key for key in stored if key not in clean.objects} | used_up
        # A model that nobody has published with yet is nobody's part.
        parts = {part_of(key) for key in left if not key.startswith(BUNDLES)}
        assert parts.isdisjoint(on_record)
        found = verify(self.store, TABLES, CALENDAR)
        assert (found.findings, set(found.left_behind)) == ((), left)
        self.every_forecast_is_scored_once(there)

    def every_forecast_is_scored_once(self, there: MemoryObjects) -> None:
        """No row twice, and of what was issued every row that a later run could realise."""
        runs = [run for day in sorted(self.events) for run in read_manifests(there, day)]
        scored = Counter(row for run in runs for row, _ in rows_of(there, run, "scores"))
        realised = Counter(
            row
            for i, run in enumerate(runs)
            for name in ("forecasts", "baselines")
            for row, target in rows_of(there, run, name)
            if any(row[0] in r.published and target <= r.session for r in runs[i + 1 :])
        )
        assert scored == realised
        assert set(realised.values()) <= {1}

    def run(self, store: ObjectStore, at: datetime) -> None:
        self.events.setdefault(CALENDAR.last_closed(at), at)
        run(self.job(store, self.source()), at)

    def at(self, minutes: int) -> datetime:
        evening = datetime.combine(SESSIONS[self.today], time(22, 0, tzinfo=UTC))
        return evening + timedelta(minutes=minutes)

    def job(self, store: ObjectStore, source: ScriptedSource) -> DailyJob:
        return DailyJob(TICKERS, source, CALENDAR, store, TABLES, MODEL)

    def source(self) -> ScriptedSource:
        bars, down = dict(self.bars), set(self.down)
        return answering({t: bars[t] for t in TICKERS if t not in down}, self.late)


def numbers_used_up(manifests: Sequence[RunManifest]) -> set[str]:
    """The vintages of dead runs that the parts of a session went past."""
    numbers = {run.part for run in manifests}
    free = set(range(max(numbers, default=0))) - numbers
    return {table_key("bars", manifests[0].session, number) for number in free}


def rows_of(
    store: ObjectStore, run: RunManifest, name: str
) -> Iterator[tuple[tuple[object, ...], date]]:
    """Yield what names each row of a run that is not withheld, and its target."""
    for key in run.objects:
        if key.startswith(f"{name}/"):
            columns = TABLES.decode(name, store.read(key) or b"")[0]
            n = len(columns["ticker"])
            columns = {"model": np.full(n, "forecaster", object), **columns}
            issued = columns.get("status", np.full(n, "ok", object)) == "ok"
            named = [columns[c][issued].tolist() for c in (*FORECAST, "target_date")]
            yield from ((tuple(row), target) for *row, target in zip(*named, strict=True))


def part_of(key: str) -> tuple[date, int]:
    """The session and part by whose run an object was written."""
    name = key.rpartition("/")[2]
    return date.fromisoformat(name[:10]), int(name[11:13])


def answering(bars: dict[str, RawBars], late: bool = False) -> ScriptedSource:
    def answer(asked: Sequence[str], first: date, last: date) -> Reading:
        last -= timedelta(days=late)
        return Reading(
            bars={t: bars[t].as_of(last).since(first) for t in asked if t in bars},
            failures={t: SourceUnavailable(f"{t}: down") for t in asked if t not in bars},
        )

    return ScriptedSource(answer)


def replayed(vintage: Vintage) -> ScriptedSource:
    assert set(vintage.info.failures.values()) <= {Reason.SOURCE_UNAVAILABLE}
    return answering(dict(vintage.bars))


class DailyRunsInAFolder(DailyRuns):
    def make_store(self) -> ObjectStore:
        self.folder = TemporaryDirectory()
        return FolderObjects(Path(self.folder.name))

    def teardown(self) -> None:
        with self.folder:
            super().teardown()


class DailyRunsInS3(DailyRuns):
    prefixes = itertools.count()

    def make_store(self) -> ObjectStore:
        self.prefix, self.s3 = f"run-{next(self.prefixes)}", boto3.client("s3")
        self.read: dict[tuple[str, str], bytes] = {}
        return S3Objects("record", self.prefix, client=self.s3)

    def look(self) -> MemoryObjects:
        """Everything that lies in the bucket now; bytes of a known ETag are not read again."""
        listed = self.s3.list_objects_v2(Bucket="record", Prefix=f"{self.prefix}/")
        assert not listed["IsTruncated"]
        etags = {
            one["Key"].removeprefix(f"{self.prefix}/"): one["ETag"]
            for one in listed.get("Contents", ())
        }
        for key, etag in etags.items():
            if (key, etag) not in self.read:
                self.read[key, etag] = self.store.read(key) or b""
        return MemoryObjects({key: self.read[key, etag] for key, etag in etags.items()})


def check(machine: type[DailyRuns], examples: int) -> None:
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=12,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )


def test_disturbed_runs_leave_the_same_store_in_memory() -> None:
    check(DailyRuns, 20)


def test_disturbed_runs_leave_the_same_store_in_a_folder() -> None:
    check(DailyRunsInAFolder, 4)


@pytest.mark.usefixtures("bucket")
def test_disturbed_runs_leave_the_same_store_in_s3() -> None:
    check(DailyRunsInS3, 4)
