"""The shards of a universe, run by processes: what each is handed, does and answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import TypeVar

from pipeline.adapters.aws.s3_options import Lock
from pipeline.cli import options
from pipeline.cli.console import print_error
from pipeline.cli.plain import name_few
from pipeline.cli.progress import counting_bar
from pipeline.errors import ForecasterError, IncompleteRun
from pipeline.jobs import daily
from pipeline.jobs.daily_job import DailyJob
from pipeline.jobs.processes import run_each
from pipeline.jobs.universe.layout import Layout
from pipeline.jobs.universe.members import Universe
from pipeline.ports import ObjectStore
from pipeline.wiring import daily_job, open_store

FEW = 3  # tickers of a reason that are named in a shard's line


@dataclass(frozen=True, slots=True)
class Setup:
    """What all shards have in common: bars, store, model, who signs; the exchange, once known.

    `pause` has the seconds between a process's requests of a source asked ticker by ticker.
    """

    bars: str
    check_bars: str | None
    store: str
    bundle: Path
    lock: Lock | None
    sse: str
    key: str | None
    calendar: str | None
    pause: float = 0.0

    def open_root(self) -> ObjectStore:
        """Return the universe's store."""
        return open_store(self.store, lock=self.lock, sse=self.sse)

    def open_job(self, layout: Layout, number: int) -> DailyJob:
        """Return the daily run of a shard, whose store then says which one it is."""
        calendar = options.open_calendar(self.calendar)
        shard = layout.begin(number)
        source = options.open_checked(
            self.bars, self.check_bars, calendar, shard.tickers, self.pause
        )
        job = daily_job(
            shard.tickers, source, calendar, store=shard.store, bundle=self.bundle, key=self.key
        )
        return replace(job, renamed=shard.renamed)


@dataclass(frozen=True, slots=True)
class Task:
    """A shard of `shards`, whose tickers are `part`: run at a time, said to be issued `now`."""

    setup: Setup
    number: int
    shards: int
    part: Universe
    at: datetime
    now: datetime

    def open_job(self) -> DailyJob:
        """Return the daily run of the shard."""
        layout = Layout(self.setup.open_root(), self.shards, {self.number: self.part})
        return self.setup.open_job(layout, self.number)


T = TypeVar("T", bound=Task)


@dataclass(frozen=True, slots=True)
class Ended:
    """How the work on a shard ended; `failure` is what stopped it, None where nothing did.

    `published` counts tickers of a run, sessions of a backfill; `session` is its newest one, and
    `withheld` has the tickers by reason that are without a forecast of it.
    """

    outcome: str
    published: int = 0
    withheld: Mapping[str, Sequence[str]] = field(default_factory=dict)
    failure: str | None = None
    session: date | None = None

    @property
    def amiss(self) -> str:
        """What went wrong in words: the failure, else who is withheld and why."""
        few = (f"{reason}: {name_few(of, FEW)}" for reason, of in self.withheld.items())
        return self.failure or "; ".join(few)


def group_by_reason(withheld: Mapping[str, str]) -> dict[str, list[str]]:
    """Return which tickers are withheld for each reason."""
    reasons: dict[str, list[str]] = {}
    for ticker, reason in sorted(withheld.items()):
        reasons.setdefault(reason, []).append(ticker)
    return dict(sorted(reasons.items()))


def run_shard(task: Task) -> Ended:
    """Run a shard; what goes wrong is told, and not raised."""
    try:
        job = task.open_job()
        summary = daily.run(job, task.at, task.now)
    except ForecasterError as exc:
        return Ended("failed", failure=f"{type(exc).__name__}: {exc}")
    withheld = group_by_reason(summary.withheld)
    published = len(summary.published)
    ended = Ended(summary.outcome.value, published, withheld, session=summary.session)
    try:
        summary.require_any(job.tickers)
    except IncompleteRun as exc:
        return replace(ended, failure=f"{type(exc).__name__}: {exc}")
    return ended


def run_shards(work: Callable[[T], Ended], tasks: Iterable[T], workers: int) -> dict[int, Ended]:
    """Return how the work on each shard ended, by its number; one that fails stops no other."""
    waiting = {task.number: task for task in tasks}
    ended: dict[int, Ended] = {}
    with counting_bar("Shards") as move:

        def keep(task: T, result: Ended) -> None:
            ended[task.number] = result
            move(len(ended), len(waiting))

        try:
            run_each(work, [*waiting.values()], min(workers, len(waiting)), keep)
        except ForecasterError as exc:  # a process was killed, and takes the others with it
            failed = Ended("failed", failure=str(exc))
            ended |= dict.fromkeys(waiting.keys() - ended.keys(), failed)
        except KeyboardInterrupt:
            print_error(
                f"interrupted; {len(ended)} of {len(waiting)} shards have ended, and the others "
                "keep what they have issued; the same command goes on from there"
            )
            raise
    return dict(sorted(ended.items()))


def find_failed(ended: Mapping[int, Ended]) -> list[int]:
    """Return the numbers of the shards that failed."""
    return [number for number, each in ended.items() if each.failure is not None]
