"""The commands on the record: `forecaster backfill | replay`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import date
from typing import Annotated

import typer

from pipeline.adapters.aws.s3_options import NO_LOCK, NO_SSE, parse_lock
from pipeline.cli import console, options, record_text, universe_run
from pipeline.cli.plain import count
from pipeline.cli.progress import counting_bar
from pipeline.cli.reasons import RememberingSource, Withheld
from pipeline.cli.scenario_text import NO_SCENARIOS
from pipeline.cli.universe_backfill import backfill_universe
from pipeline.cli.universe_shards import Setup
from pipeline.errors import ConfigError, RequestError, StoreError
from pipeline.jobs.backfill.run import backfill
from pipeline.jobs.daily_job import DailyJob
from pipeline.jobs.replay import replay
from pipeline.ports import ObjectStore
from pipeline.record.chain import count_recorded, find_head
from pipeline.record.drawn import has_scenarios
from pipeline.record.manifest import Mode
from pipeline.record.vintage import HISTORY_SESSIONS
from pipeline.wiring import DEFAULT_BUNDLE, daily_job, open_store

From = Annotated[date, options.day_option("--from", "First session to issue.")]
To = Annotated[
    date | None, options.day_option("--to", "Last session to issue; else the last one closed.")
]
Session = Annotated[date, typer.Argument(parser=options.parse_day, metavar="DATE")]


def backfill_command(
    first: From,
    bars: options.Bars,
    to: To = None,
    store: options.Store = "./store",
    bundle: options.Bundle = DEFAULT_BUNDLE,
    tickers: options.Tickers = options.DEFAULT_TICKERS,
    universe: universe_run.File = None,
    shards: universe_run.Shards = None,
    workers: universe_run.Workers = 1,
    exchange: options.Exchange = None,
    lock: options.Lock = NO_LOCK,
    sse: options.Sse = NO_SSE,
    key: options.Key = None,
    json: options.Json = False,
) -> None:
    """Issue, score and calibrate past sessions from given bars, each with what was known then.

    Marked `backfill` on the record; nothing that is there is overwritten. Safe to interrupt.
    """
    names, locked = options.parse_tickers(tickers), parse_lock(lock, options.now())
    named = tickers != options.DEFAULT_TICKERS
    universe_run.check_options(universe, shards, workers, tickers=named)
    if universe is not None:
        setup = Setup(bars, None, store, bundle, locked, sse, key, exchange)
        setup, layout = universe_run.open_universe(universe, setup, shards)
        backfill_universe(setup, layout, (first, to), workers, json=json)
        return
    opened = open_store(store, lock=locked, sse=sse)
    calendar = options.open_calendar(exchange, opened)
    at = options.event_time("--to", to, calendar)
    source = RememberingSource(options.open_bars(bars, calendar), names, opened)
    job = daily_job(names, source, calendar, store=opened, bundle=bundle, key=key)
    last = calendar.last_closed(at)
    if first > last:
        raise ConfigError(f"--from: expected a date not after {last}, got {first}")
    with counting_bar("Sessions") as move, _explain_interruption(job.store):
        try:
            sessions = backfill(job, first, last, options.now(), move)
        except RequestError as exc:
            expected = calendar.ending(last, HISTORY_SESSIONS)
            raise _with_problems(exc, source.find_problems(names, expected)) from exc
    withheld = source.find_problems(names)
    if json:
        result = {"store": store, "sessions": sessions, "last": last, "withheld": withheld}
        console.print_json(result)
    else:
        _print_issued(job, store, sessions, (first, last), withheld)


def _print_issued(
    job: DailyJob,
    store: str,
    sessions: int,
    span: tuple[date, date],
    withheld: Mapping[str, Withheld],
) -> None:
    """Print how many sessions of a span were issued, and what a reader must know of them."""
    console.print_source(job.source.label)
    until, learnt = find_head(job.store), job.model.manifest.training.last_session
    so_far = f", up to {until.manifest.session}" if until else ""
    if sessions:
        console.print_line(f"{count(sessions, 'session')} issued into {store}{so_far}.")
    else:
        console.print_line(f"There was nothing to do in {store}{so_far}.")
        _print_lacking(job, span)
    console.print_withheld(withheld)
    if until and until.manifest.session < span[1]:
        console.print_line(f"The bars end on {until.manifest.session}.")
    if span[0] < learnt:
        console.print_line(record_text.LEARNT.format(learnt), "yellow")
    if not has_scenarios(Mode.BACKFILL, len(job.tickers)):
        console.print_line(NO_SCENARIOS)


def _print_lacking(job: DailyJob, span: tuple[date, date]) -> None:
    """Print how many sessions of a span the record has gone past without."""
    sessions = job.calendar.between(*span)
    if lacking := len(sessions) - count_recorded(job.store, sessions):
        console.print_line(
            f"Not on the record: {lacking} of {len(sessions)} sessions. Nothing is added behind "
            "what is issued; another store can have them.",
            "yellow",
        )


def _with_problems(refusal: RequestError, problems: Mapping[str, Withheld]) -> RequestError:
    """Return a refusal that says why tickers had no bars to issue from, the first few of them."""
    said = "; ".join(f"{why.reason}: {why.message}" for why in list(problems.values())[:3])
    return RequestError(f"{refusal}; {said}" if said else str(refusal))


@contextmanager
def _explain_interruption(store: ObjectStore) -> Iterator[None]:
    """Say what is kept when a person stops the work, and exit with 130."""
    try:
        yield
    except KeyboardInterrupt:
        head = find_head(store)
        kept = f"kept: everything up to {head.manifest.session}" if head else "nothing was issued"
        console.print_error(f"interrupted; {kept}; the same command goes on from there")
        raise typer.Exit(130) from None


def replay_command(
    session: Session, store: options.Store = "./store", json: options.Json = False
) -> None:
    """Make a session again from its vintage, bundle and state, and compare the bytes."""
    opened, tables = options.open_published(store)
    with console.progress("Forecasting again"):
        objects = replay(opened, tables, options.open_calendar(store=opened), session)
    if json:
        console.print_json(
            {"session": session, "objects": [asdict(replayed) for replayed in objects]}
        )
    else:
        record_text.print_replayed(objects)
    if differing := [replayed.key for replayed in objects if not replayed.equal]:
        raise StoreError(
            f"{session}: expected equal bytes, got others for {', '.join(differing)}; another "
            "version of the code or of a library may write other bytes for equal numbers"
        )


COMMANDS: dict[str, tuple[Callable[..., None], str]] = {
    "backfill": (backfill_command, "forecaster backfill --bars ./bars --from 2019-01-02"),
    "replay": (replay_command, "forecaster replay 2024-12-27 --store ./store"),
}


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    for name, (command, example) in COMMANDS.items():
        app.command(name, epilog=f"Example: {example}")(command)
