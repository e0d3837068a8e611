"""Jobs: what the daily function runs, wired by its settings: one job, or one of each shard.

Between the shards of a universe there are steps: the list of them, and the gathering.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from handlers.schedule import LIST, VERIFY, Step
from handlers.settings import DailySettings
from handlers.telemetry.daily import TimedSource, count_universe
from pipeline.adapters.aws.s3_options import parse_lock
from pipeline.errors import RequestError
from pipeline.jobs.checked_source import CheckedSource
from pipeline.jobs.daily_job import DailyJob
from pipeline.jobs.universe.announce import announce_universe
from pipeline.jobs.universe.gather import gather, list_shards
from pipeline.jobs.universe.layout import Layout, open_layout
from pipeline.jobs.universe.members import read_universe
from pipeline.jobs.universe.noted import list_to_verify
from pipeline.ports import Announcer, BarSource, Calendar, ObjectStore
from pipeline.record.universe_session import TO_VERIFY, list_key
from pipeline.wiring import daily_job, open_calendar, open_source, open_store

# Requests a minute of a shard, four of which run side by side, where nobody says another.
POLITE_RATE = 30.0


class Jobs:
    """What the settings name, opened once.

    Parameters
    ----------
    remaining_seconds : gives the seconds left to the caller of the function
    """

    def __init__(self, settings: DailySettings, remaining_seconds: Callable[[], float]) -> None:
        self._settings, self._remaining_seconds = settings, remaining_seconds

    def open_job(self) -> DailyJob:
        """Return the daily run of the settings' tickers."""
        job = self._wire(self._settings.tickers, self._store)
        return replace(job, renamed=self._settings.renamed)

    def open_shard(self, number: int) -> DailyJob:
        """Return the daily run of a shard; raises what `lay_out` and `Layout.begin` do."""
        shard = self.lay_out().begin(number)
        return replace(self._wire(shard.tickers, shard.store), renamed=shard.renamed)

    def lay_out(self, shards: int | None = None) -> Layout:
        """Return how the universe, as its file is now, lies in the store.

        Raises
        ------
        RequestError
            When the settings name no universe.
        ConfigError
            When its file is none.
        StoreError
            When the store is of another one.
        """
        universe = read_universe(self._find_file(), open_store)
        return open_layout(self._store, universe, self._source.label, self.calendar.name, shards)

    @property
    def root(self) -> ObjectStore:
        """The universe's store; raises RequestError when the settings name no universe."""
        self._find_file()
        return self._store

    def _find_file(self) -> str:
        if self._settings.universe is None:
            raise RequestError(
                "event: expected neither `shard` nor `universe`, for FORECASTER_UNIVERSE is none"
            )
        return self._settings.universe

    @cached_property
    def calendar(self) -> Calendar:
        """The exchange's."""
        return open_calendar(self._settings.calendar)

    @cached_property
    def _store(self) -> ObjectStore:
        lock = parse_lock(self._settings.lock, datetime.now(UTC))
        return open_store(self._settings.store, lock=lock, sse=self._settings.sse)

    @cached_property
    def _open(self) -> Callable[[str], BarSource]:
        cache = Path(tempfile.mkdtemp(prefix="forecaster-"))
        atexit.register(shutil.rmtree, cache, ignore_errors=True)
        return partial(
            open_source,
            calendar=self.calendar,
            cache_dir=cache,
            remaining_seconds=self._remaining_seconds,
            pause=self._pause,
        )

    @property
    def _pause(self) -> float:
        rate = self._settings.rate or (POLITE_RATE if self._settings.universe else None)
        return 60 / rate if rate else 0.0

    @cached_property
    def _source(self) -> BarSource:
        return self._open(self._settings.bars)

    def _wire(self, tickers: tuple[str, ...], store: ObjectStore) -> DailyJob:
        source = self._source
        if (second := self._settings.check_bars) is not None:
            source = CheckedSource(source, self._open(second), tickers)
        settings = self._settings
        return daily_job(
            tickers,
            TimedSource(source),
            self.calendar,
            store=store,
            bundle=settings.bundle,
            key=settings.signing_key,
        )


def take_step(
    step: Step, jobs: Jobs, announcers: Sequence[Announcer], at: datetime
) -> dict[str, Any]:
    """Return what a step comes to, for whoever invoked it.

    Raises
    ------
    IncompleteRun
        When shards lack the session that is gathered.
    """
    if step.universe == VERIFY:
        listed = list_to_verify(jobs.root, at.isoformat())
        return {"shards": len(listed), "list": jobs.root.url(TO_VERIFY)}
    layout, session = jobs.lay_out(step.shards), jobs.calendar.last_closed(at)
    if step.universe == LIST:
        listed = list_shards(layout, session, at)
        return {
            "session": session.isoformat(),
            "shards": len(listed),
            "list": layout.root.url(list_key(session)),
        }
    gathered = gather(layout, session)
    count_universe(gathered)
    announce_universe(announcers, layout.root, gathered)
    gathered.require_complete(ended=bool(step.ended))
    return {
        "session": session.isoformat(),
        "published": gathered.published,
        "withheld": dict(gathered.withheld),
        "shards": len(gathered.gathered),
        "manifest": layout.root.url(gathered.key),
    }
