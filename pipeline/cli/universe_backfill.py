"""A universe's backfill from the command line: each shard as a store of its own, over processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date

from pipeline.cli import console, options
from pipeline.cli.scenario_text import NO_SCENARIOS
from pipeline.cli.universe_run import describe_session, print_ended, require_all
from pipeline.cli.universe_shards import Ended, Setup, Task, group_by_reason, run_shards
from pipeline.errors import ConfigError, ForecasterError
from pipeline.jobs.backfill.run import backfill
from pipeline.jobs.daily_job import DailyJob
from pipeline.jobs.daily_summary import find_withheld
from pipeline.jobs.universe.gather import gather
from pipeline.jobs.universe.layout import Layout
from pipeline.record.chain import find_head
from pipeline.record.drawn import has_scenarios
from pipeline.record.manifest import Mode, read_manifests

ISSUED, NOTHING_TO_DO = "issued", "nothing_to_do"


@dataclass(frozen=True, slots=True)
class BackfillTask(Task):
    """A shard, backfilled from `first` to the session last closed `at` its time."""

    first: date


def backfill_universe(
    setup: Setup, layout: Layout, span: tuple[date, date | None], workers: int, *, json: bool
) -> None:
    """Issue past sessions of every shard, gather the newest one, and show what came of it.

    Raises
    ------
    ForecasterError
        After all of them, when a shard failed.
    """
    calendar, now, first = options.open_calendar(setup.calendar), options.now(), span[0]
    at = options.event_time("--to", span[1], calendar)
    if first > (last := calendar.last_closed(at)):
        raise ConfigError(f"--from: expected a date not after {last}, got {first}")
    parts = layout.parts.items()
    tasks = [BackfillTask(setup, n, layout.shards, part, at, now, first) for n, part in parts]
    ended = run_shards(backfill_shard, tasks, workers)
    newest = _find_newest(ended)
    gathered = gather(layout, newest) if newest else None
    if json:
        shards = {str(number): asdict(each) for number, each in ended.items()}
        console.print_json({"shards": shards, "gathered": gathered})
    else:
        print_ended(ended, "Sessions issued")
        if gathered is not None:
            console.print_line(describe_session(gathered, setup.store))
        if not all(has_scenarios(Mode.BACKFILL, len(p.tickers)) for p in layout.parts.values()):
            console.print_line(NO_SCENARIOS)
    require_all(ended)


def backfill_shard(task: BackfillTask) -> Ended:
    """Issue what a shard lacks; what goes wrong is told, and not raised."""
    try:
        job = task.open_job()
        last = job.calendar.last_closed(task.at)
        sessions = backfill(job, task.first, last, task.now, lambda done, total: None)
        head = find_head(job.store)
        withheld = _read_withheld(job, head.manifest.session) if head else {}
    except ForecasterError as exc:
        return Ended("failed", failure=f"{type(exc).__name__}: {exc}")
    newest = head.manifest.session if head else None
    return Ended(ISSUED if sessions else NOTHING_TO_DO, sessions, withheld, session=newest)


def _read_withheld(job: DailyJob, session: date) -> dict[str, list[str]]:
    return group_by_reason(find_withheld(job.tickers, read_manifests(job.store, session)))


def _find_newest(ended: Mapping[int, Ended]) -> date | None:
    return max((each.session for each in ended.values() if each.session), default=None)
