"""The command `forecaster run`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date

import typer

from pipeline.adapters.aws.s3_options import NO_LOCK, NO_SSE, parse_lock
from pipeline.cli import console, options, universe_run
from pipeline.cli.forecast_text import print_outcome, print_published, print_surprises
from pipeline.cli.reasons import RememberingSource, Withheld
from pipeline.cli.renaming import Renamed, parse_renamed
from pipeline.cli.repair import print_repairs
from pipeline.cli.universe_shards import Setup
from pipeline.errors import Reason
from pipeline.jobs import daily
from pipeline.jobs.daily_summary import Outcome, Summary
from pipeline.ports import ObjectStore
from pipeline.record.chain import find_head
from pipeline.record.vintage import HISTORY_SESSIONS
from pipeline.views.session import read_session
from pipeline.wiring import DEFAULT_BUNDLE, daily_job, open_store


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command(epilog="Example: forecaster run --bars simulated --store ./store")(run)


def run(
    bars: options.Bars = "yahoo",
    check_bars: options.CheckBars = None,
    store: options.Store = "./store",
    bundle: options.Bundle = DEFAULT_BUNDLE,
    tickers: options.Tickers = options.DEFAULT_TICKERS,
    universe: universe_run.File = None,
    shards: universe_run.Shards = None,
    workers: universe_run.Workers = 1,
    rate: universe_run.Rate = universe_run.DEFAULT_RATE,
    renamed: Renamed = None,
    lock: options.Lock = NO_LOCK,
    sse: options.Sse = NO_SSE,
    exchange: options.Exchange = None,
    as_of: options.AsOf = None,
    key: options.Key = None,
    json: options.Json = False,
) -> None:
    """Publish the forecasts of the last closed session, and show them. Safe to repeat."""
    named = tickers != options.DEFAULT_TICKERS
    universe_run.check_options(
        universe, shards, workers, rate=rate, tickers=named, renamed=bool(renamed)
    )
    names, locked = options.parse_tickers(tickers), parse_lock(lock, options.now())
    former = parse_renamed(renamed, names)
    if universe is not None:
        setup = Setup(
            bars, check_bars, store, bundle, locked, sse, key, exchange, 60 * workers / rate
        )
        setup, layout = universe_run.open_universe(universe, setup, shards)
        universe_run.run_universe(setup, layout, as_of, workers, json=json)
        return
    with console.progress("Reading bars and forecasting"):
        opened = open_store(store, lock=locked, sse=sse)
        calendar = options.open_calendar(exchange, opened)
        at = options.event_time("--as-of", as_of, calendar)
        opened_bars = options.open_checked(bars, check_bars, calendar, names)
        source = RememberingSource(opened_bars, names, opened)
        job = daily_job(names, source, calendar, store=opened, bundle=bundle, key=key)
        job = replace(job, renamed=former)
        summary = daily.run(job, at, options.now())
        shown = read_session(job.store, job.tables, summary.session)
    expected = calendar.ending(summary.session, HISTORY_SESSIONS)
    withheld = source.explain(summary.withheld, expected)
    if summary.outcome is Outcome.CLOSED_UNCONFIRMED:
        withheld = source.find_problems(names, expected, Reason.LAST_BAR_NAN)
    if json:
        noted = {"withheld": withheld, "manifests": summary.digests}
        console.print_json(_describe_outcome(summary) | shown.document() | noted)
    else:
        print_published(shown, store)
        _print_summary(summary, withheld)
        _print_end(source.find_end(names, summary.session), summary, job.store)
    summary.require_complete()


def _print_summary(summary: Summary, withheld: Mapping[str, Withheld]) -> None:
    """Print what a run withheld, repaired and was surprised by, and how it ended."""
    console.print_withheld(withheld)
    repairs = summary.repairs
    print_repairs(repairs.healed, repairs.lost, repairs.refused)
    print_surprises(summary)
    print_outcome(summary)


def _print_end(end: date | None, summary: Summary, store: ObjectStore) -> None:
    """Print the newest session of the bars, where it is one that could be run instead."""
    if end and not summary.manifests and not _is_recorded(store, end):
        console.print_line(f"The bars end on {end}: --as-of {end}")


def _describe_outcome(summary: Summary) -> dict[str, object]:
    """Return how a run ended, for machines."""
    repairs = ("healed", "lost", "refused")
    return {
        "outcome": summary.outcome,
        "data_lag_sessions": summary.data_lag_sessions,
        "surprises": summary.surprises,
        **{name: getattr(summary.repairs, name) for name in repairs},
    }


def _is_recorded(store: ObjectStore, session: date) -> bool:
    """Whether the record has come to a session, or gone past it."""
    head = find_head(store)
    return head is not None and head.manifest.session >= session
