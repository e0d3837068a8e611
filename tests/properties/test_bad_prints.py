"""Whatever a source prints wrongly, loses and mends, the record comes to say what is true.

Closes are printed wrongly, near the truth or far off, of the newest session or an older one, and
mended after some runs; bars of the past are lost and come back; runs die in between. A far close is
never published but by who has seen it twice; true bars wait an hour at most; and in the end every
score that counts is by the true close, and gains, sums and chain agree with all of it.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from pipeline.forecasting.bundle import load_bundle
from pipeline.forecasting.model import Model
from pipeline.jobs.daily_job import DailyJob
from pipeline.jobs.daily_summary import Summary
from pipeline.jobs.remake_check import Sample
from pipeline.jobs.verify import Scope, verify
from pipeline.record.chain import find_head, walk_back
from pipeline.record.manifest import Mode, RunManifest
from pipeline.record.state import read_state
from pipeline.record.vintage import Vintage
from tests.conftest import DEFAULT_BUNDLE
from tests.support.builders import raw_bars, weekdays
from tests.support.fakes import Crash, FixedCalendar, MemoryObjects, ScriptedSource
from tests.support.records import FORECAST, RememberingTables, rows_by_key, run, scaled, without

TICKERS = ("SPY", "QQQ")
DAYS = weekdays(360, "2024-12-31")
SESSIONS: list[date] = DAYS.tolist()[-30:-10]
CALENDAR = FixedCalendar(DAYS.tolist())
TABLES = RememberingTables()
MODEL = Model(load_bundle(DEFAULT_BUNDLE))
TRUE = {ticker: raw_bars(ticker, 360, session=DAYS) for ticker in TICKERS}
NEAR, FAR = (0.97, 1.02, 1.04), (0.75, 0.85, 1.2, 1.35)
HOUR = timedelta(hours=1)


class BadPrints(RuleBasedStateMachine):
    """Daily runs on a source that errs. `prints` has the factor by ticker and session."""

    @initialize()
    def start(self) -> None:
        self.store = MemoryObjects()
        self.today, self.clock = 0, 0
        self.prints: dict[tuple[str, date], float] = {}
        self.lost: set[tuple[str, date]] = set()
        self.run_on(HOUR)

    @rule()
    def next_session(self) -> None:
        self.today, self.clock = min(self.today + 1, len(SESSIONS) - 1), 0
        self.run_on(HOUR)

    @rule(minutes=st.integers(10, 150))
    def later(self, minutes: int) -> None:
        self.run_on(timedelta(minutes=minutes))

    @rule(
        ticker=st.sampled_from(TICKERS),
        back=st.sampled_from([0, 0, 0, 1, 2, 40]),
        factor=st.sampled_from([*NEAR, *FAR]),
    )
    def print_of_the_next_session(self, ticker: str, back: int, factor: float) -> None:
        self.today, self.clock = min(self.today + 1, len(SESSIONS) - 1), 0
        self.lost = set()
        at = DAYS.tolist().index(SESSIONS[self.today]) - back
        # What was printed before is mended, but for the last of it.
        self.prints = dict([*self.prints.items()][-1:])
        self.prints[ticker, DAYS.tolist()[at]] = factor
        self.run_on(HOUR)

    @rule()
    def mend(self) -> None:
        self.prints = {}

    @rule(ticker=st.sampled_from(TICKERS), back=st.integers(1, 120))
    def lose(self, ticker: str, back: int) -> None:
        if not self.prints:
            at = DAYS.tolist().index(SESSIONS[self.today]) - back
            self.lost.add((ticker, DAYS.tolist()[at]))

    @rule()
    def have_it_back(self) -> None:
        self.lost = set()

    @rule(n=st.integers(1, 9), after=st.booleans())
    def die(self, n: int, after: bool) -> None:
        self.today, self.clock = min(self.today + 1, len(SESSIONS) - 1), 0
        died = {"crash_after" if after else "crash_before": self.store.writes + n}
        for name, write in died.items():
            setattr(self.store, name, write)
        with contextlib.suppress(Crash):
            self.run_on(HOUR)
        self.store.crash_after = self.store.crash_before = None

    def run_on(self, passed: timedelta) -> Summary:
        """Run once more on this session, some time later."""
        self.clock += int(passed.total_seconds())
        evening = datetime.combine(SESSIONS[self.today], time(21, 30, tzinfo=UTC))
        at = evening + timedelta(seconds=min(self.clock, 80_000))
        bars = {t: self.shown(t) for t in TICKERS}
        source = ScriptedSource.of(*bars.values())
        return run(DailyJob(TICKERS, source, CALENDAR, self.store, TABLES, MODEL), at)

    def shown(self, ticker: str) -> Any:
        raw = TRUE[ticker]
        for (of, session), factor in self.prints.items():
            row = DAYS.tolist().index(session)
            if of == ticker:
                raw = scaled(raw, factor, slice(row, row + 1))
        for of, session in self.lost:
            raw = without(raw, session) if of == ticker else raw
        return raw

    def teardown(self) -> None:
        self.prints, self.lost = {}, set()
        self.true_bars_wait_an_hour_at_most()
        self.today = min(self.today + 1, len(SESSIONS) - 1)
        self.clock = 0
        self.true_bars_wait_an_hour_at_most()
        found = verify(self.store, TABLES, CALENDAR, Scope(Sample(deep=True)))
        assert (found.findings, found.unmade) == ((), 0)
        links = list(walk_back(self.store, find_head(self.store)))[::-1]
        runs = [link.manifest for link in links]
        for part in runs:
            self.a_far_close_was_seen_twice(part, runs)
        self.what_counts_is_by_the_true_close(runs)

    def true_bars_wait_an_hour_at_most(self) -> None:
        summary = self.run_on(HOUR)
        summary = self.run_on(HOUR) if summary.withheld else summary
        assert summary.withheld == {}

    def a_far_close_was_seen_twice(self, part: RunManifest, runs: list[RunManifest]) -> None:
        vintage = self.vintage(part)
        for ticker in part.published:
            close = last_close(vintage, ticker)
            if abs(np.log(close / true_close(ticker, part.session))) < 0.13:
                continue
            if self.is_within_ten_sigmas(ticker, part, close, runs):
                continue
            before = [r for r in runs if r.session == part.session and r.part < part.part]
            earlier = [self.vintage(r) for r in before]
            assert part.session == runs[0].session or any(
                v.info.issued_at + HOUR <= vintage.info.issued_at and last_close(v, ticker) == close
                for v in earlier
                if ticker in v.bars
            )

    def is_within_ten_sigmas(
        self, ticker: str, part: RunManifest, close: float, runs: list[RunManifest]
    ) -> bool:
        """By a forecast of it on the record: a bad print in its window makes one wide."""
        for past in runs:
            if past.session < part.session and ticker in past.published:
                rows = TABLES.decode("forecasts", self.store.objects[past.table("forecasts")])[0]
                of = (rows["ticker"] == ticker) & (rows["status"] == "ok")
                of &= rows["target_date"] == np.datetime64(part.session)
                off = np.abs(np.log(close / rows["prediction"][of]))
                if (off <= 10 * rows["sigma"][of]).any():
                    return True
        return False

    def vintage(self, part: RunManifest) -> Vintage:
        return Vintage.decode(TABLES, self.store.objects[part.table("bars")])

    def what_counts_is_by_the_true_close(self, runs: list[RunManifest]) -> None:
        rows: dict[tuple[Any, ...], dict[str, Any]] = {}
        for part in runs:
            for key in part.objects:
                if key.startswith("scores/"):
                    scores = TABLES.decode("scores", self.store.objects[key])[0]
                    rows |= rows_by_key(scores, *FORECAST)
        for row in rows.values():
            true = true_close(row["ticker"], row["target_date"])
            assert row["realised_close"] == pytest.approx(true, rel=1e-8)
        state = read_state(self.store, runs[-1])
        ahead = [row for row in rows.values() if row["horizon"] == 1]
        ours = [row for row in ahead if row["model"] == "forecaster"]
        inside = Counter(row["ticker"] for row in ours if row["covered_95"])
        crps = {t: sum(row["crps"] for row in ours if row["ticker"] == t) for t in TICKERS}
        for ticker, scores_of in state.tracks[Mode.LIVE].tickers.items():
            assert scores_of.covered["covered_95"] == inside[ticker]
            assert scores_of.against["garch_t"].ours == pytest.approx(crps[ticker], abs=1e-8)


def true_close(ticker: str, session: date) -> float:
    raw = TRUE[ticker]
    return float(raw.close[raw.session == np.datetime64(session)][0])


def last_close(vintage: Vintage, ticker: str) -> float:
    return float(vintage.bars[ticker].close[-1])


def test_what_a_source_prints_wrongly_is_taken_back() -> None:
    run_state_machine_as_test(
        BadPrints,
        settings=settings(
            max_examples=12,
            stateful_step_count=12,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
