"""What a record may meet besides: poison, litter of dead parts, lost claims, other tickers, models.

Runs die and what they left unpublished is damaged before the next one comes; vintages of dead
parts vanish and are given up; one ticker's prices are impossible in any session; the model is
swapped and swapped back, a ticker is added. No run may fail but where a person's word is needed;
verify names what was damaged at once; and the other ticker's forecasts are, to the last digit,
those of a record of the same sessions and models to which nothing ever happened.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from pipeline.encoding import sha256
from pipeline.errors import RequestError, StoreError
from pipeline.jobs.remake_check import Sample
from pipeline.jobs.repair import repair
from pipeline.jobs.verify import Scope, verify
from pipeline.record.chain import Link, find_head, walk_back
from pipeline.record.claims import read_claim
from pipeline.record.keys import LOSSES, RUNS, VIEWS
from pipeline.record.state import read_state
from tests.properties.test_damaged_records import KEPT, MODELS, Between, die
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
    with_column,
)

DAYS = SESSIONS[-12:]
TICKERS = ("SPY", "QQQ", "DIA")
BARS = market(TICKERS)
POISONS = st.sampled_from([0.0, -1.0, 5e-324, 1e300, 1.79e308, float("nan"), float("inf")])
COLUMNS = st.sampled_from(["open", "high", "low", "close", "volume", "split", "dividend"])
VERSIONS = {model.manifest.model_version: at for at, model in enumerate(MODELS)}


class BrokenRecords(RuleBasedStateMachine):
    @initialize(add=st.booleans())
    def begin(self, add: bool) -> None:
        self.store, self.seen = MemoryObjects(), dict[str, bytes]()
        self.today, self.model, self.tickers = 0, 0, TICKERS[: 2 + add]
        self.bars, self.damaged = dict(BARS), set[str]()
        self.run(self.store)

    @rule(swap=st.booleans())
    def next_session(self, swap: bool) -> None:
        self.move(swap=swap)
        self.run(self.store)
        assert "SPY" in self.published_today()

    @rule(column=COLUMNS, value=POISONS, back=st.integers(0, 80))
    def poison_in_any_bar(self, column: str, value: float, back: int) -> None:
        self.move()
        row = SESSIONS.index(DAYS[self.today]) - back
        self.bars["QQQ"] = with_column(BARS["QQQ"], column, row, value)
        self.run(self.store)
        assert "SPY" in self.published_today()

    @rule()
    def the_source_is_mended(self) -> None:
        self.bars["QQQ"] = BARS["QQQ"]

    @rule(
        n=st.integers(2, 9), choice=st.integers(0, 99), how=st.sampled_from(["flip", "lie", "cut"])
    )
    def a_run_dies_and_what_it_left_is_damaged(self, n: int, choice: int, how: str) -> None:
        self.move()
        with suppress(Crash):
            self.run(Between(self.store.objects, n, die))
        left = sorted(self.unpublished())
        if left:
            key = left[choice % len(left)]
            self.store.objects[key] = self.damage_to(self.store.objects[key], how)
            self.seen[key] = self.store.objects[key]

    @rule(n=st.integers(3, 8), flip=st.booleans())
    def a_claim_loses_its_vintage(self, n: int, flip: bool) -> None:
        self.move()
        with suppress(Crash):
            self.run(Between(self.store.objects, n, die))
        claim = read_claim(self.store, find_head(self.store))
        if claim is None or self.damaged:
            return
        key = claim.table("bars")
        data = self.store.objects.pop(key)
        if flip:
            self.store.objects[key] = flipped(data, 0)
        self.seen[key] = self.store.objects.get(key, b"")
        self.damaged.add(key)
        assert key in {finding.key for finding in verify(self.store, TABLES, CALENDAR).findings}
        with pytest.raises(StoreError, match="accept-loss"):
            self.run(self.store)
        done = repair(self.store, TABLES, CALENDAR, LONG_AFTER, give_up=True)
        assert done.lost[key] == sha256(data)
        self.run(self.store)

    @rule(choice=st.integers(0, 10_000), flip=st.booleans())
    def damage(self, choice: int, flip: bool) -> None:
        if self.damaged:
            return
        links = self.links()
        keys = {key for link in links for key in link.manifest.objects if not key.startswith(KEPT)}
        keys |= {link.manifest.key for link in links[1:]}
        key = sorted(keys)[choice % len(keys)]
        if flip:
            self.store.objects[key] = flipped(self.seen[key], 0)
        else:
            del self.store.objects[key]
        self.damaged.add(key)
        assert key in {finding.key for finding in verify(self.store, TABLES, CALENDAR).findings}

    @rule()
    def a_ticker_is_added(self) -> None:
        self.tickers = TICKERS
        self.run(self.store)
        assert "DIA" in self.published_today()

    @invariant()
    def nothing_that_was_written_has_other_bytes_but_what_was_damaged(self) -> None:
        now = {key: data for key, data in self.store.objects.items() if key not in VIEWS}
        for key, data in self.seen.items():
            assert now.get(key, b"") == data or key in self.damaged, key
        self.damaged = {key for key in self.damaged if now.get(key, b"") != self.seen[key]}
        self.seen = {**now, **self.seen}

    def teardown(self) -> None:
        self.bars = dict(BARS)
        self.today = len(DAYS) - 1
        self.run(self.store)
        assert repair(self.store, TABLES, CALENDAR, LONG_AFTER, give_up=False).damaged == {}
        found = verify(self.store, TABLES, CALENDAR, Scope(Sample(deep=True)))
        assert (found.findings, found.unmade) == ((), 0)
        assert len(found.lost) == len(self.store.keys(LOSSES))
        links = self.links()
        assert len(links) == len(self.store.keys(RUNS))
        self.earlier_models_are_found_again(links)
        assert rows_of_spy(self.store, links) == self.undisturbed(links)

    def earlier_models_are_found_again(self, links: list[Link]) -> None:
        """Each state names the newest part of every other model that served before it."""
        served: dict[str, str] = {}
        for link in reversed(links):
            state = read_state(self.store, link.manifest)
            served[state.model_version] = link.manifest.key
            others = {v: key for v, key in served.items() if v and v != state.model_version}
            assert state.earlier_models.keys() == others.keys()

    def undisturbed(self, links: list[Link]) -> list[dict[str, Any]]:
        """What SPY's forecasts are in a record of the same sessions and models, and of no other."""
        clean = MemoryObjects()
        for link in reversed(links):
            if "SPY" in link.manifest.published:
                job = job_on(MODELS[VERSIONS[link.manifest.model_version]], clean, BARS)
                run(
                    job_on(job.model, clean, BARS, tickers=("SPY",)),
                    evening(link.manifest.session),
                )
        return rows_of_spy(clean, list(walk_back(clean, find_head(clean))))

    def damage_to(self, data: bytes, how: str) -> bytes:
        return {"flip": flipped(data, 0), "lie": data[:-1] + b" \n", "cut": data[: len(data) // 2]}[
            how
        ]

    def unpublished(self) -> set[str]:
        """What a dead part has written that nothing names."""
        with suppress(StoreError):
            named = {key for link in self.links() for key in link.manifest.objects}
            derived = {key for key in self.store.objects if "/" in key}
            derived = {k for k in derived if not k.startswith((*KEPT, RUNS, LOSSES))}
            return {key for key in derived - named if str(DAYS[self.today]) in key}
        return set()

    def links(self) -> list[Link]:
        return list(walk_back(self.store, find_head(self.store)))

    def published_today(self) -> set[str]:
        runs = (link.manifest for link in self.links())
        return set().union(*(run.published for run in runs if run.session == DAYS[self.today]))

    def move(self, *, swap: bool = False) -> None:
        """Come to the next session, with the other model from now on if they are to swap."""
        self.model = 1 - self.model if swap else self.model
        self.today = min(self.today + 1, len(DAYS) - 2)

    def run(self, store: MemoryObjects, session: date | None = None) -> None:
        job = job_on(MODELS[self.model], store, self.bars, tickers=self.tickers)
        with suppress(RequestError):
            run(job, evening(session or DAYS[self.today]))


def rows_of_spy(store: MemoryObjects, links: list[Link]) -> list[dict[str, Any]]:
    """SPY's forecasts, oldest first, but of which vintage and when."""
    rows = []
    for link in reversed(links):
        if "SPY" in link.manifest.published:
            data = store.read(link.manifest.table("forecasts")) or b""
            columns = TABLES.decode("forecasts", data)[0]
            of_spy = columns["ticker"] == "SPY"
            rows.append(
                {
                    name: values[of_spy].tolist()
                    for name, values in columns.items()
                    if name not in ("vintage_sha256", "issued_at")
                }
            )
    return rows


def test_no_poison_and_no_damage_ends_a_record_or_touches_another_ticker() -> None:
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(
        BrokenRecords,
        settings=settings(
            max_examples=8,
            stateful_step_count=8,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
