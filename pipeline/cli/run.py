"""The commands `forecaster run` and `forecaster show`."""

from __future__ import annotations

import typer

from pipeline.cli import console, options
from pipeline.cli.reasons import RememberingSource, Withheld
from pipeline.errors import StoreError
from pipeline.jobs import daily
from pipeline.record.chain import read_latest_session
from pipeline.record.keys import DASHBOARD
from pipeline.record.vintage import HISTORY_SESSIONS
from pipeline.views.session import read_session
from pipeline.wiring import DEFAULT_BUNDLE, daily_job


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command(epilog="Example: forecaster run --bars simulated --store ./store")(run)
    app.command(epilog="Example: forecaster show --store ./store")(show)


def run(
    bars: options.Bars = "yahoo",
    store: options.Store = "./store",
    bundle: options.Bundle = DEFAULT_BUNDLE,
    tickers: options.Tickers = options.DEFAULT_TICKERS,
    as_of: options.AsOf = None,
    json: options.Json = False,
) -> None:
    """Publish the forecasts of the last closed session, and show them. Safe to repeat."""
    names, at = options.parse_tickers(tickers), options.event_time("--as-of", as_of)
    with console.progress("Reading bars and forecasting"):
        calendar = options.open_calendar()
        source = RememberingSource(options.open_bars(bars, calendar))
        job = daily_job(names, source, calendar, store=store, bundle=bundle)
        summary = daily.run(daily.with_mode(job, at, options.now()), at)
        shown = read_session(job.store, job.tables, summary.session)
    expected = calendar.ending(summary.session, HISTORY_SESSIONS)
    withheld = source.explain(summary.withheld, expected)
    if json:
        outcome = {"outcome": summary.outcome, "data_lag_sessions": summary.data_lag_sessions}
        console.print_json(outcome | shown.document() | {"withheld": withheld})
    else:
        console.print_published(shown)
        console.print_withheld(withheld)
        console.print_outcome(summary)
        if not summary.manifests and (end := source.find_end(summary.withheld)):
            console.print_line(f"The bars end on {end}: --as-of {end}")
    summary.require_complete()


def show(store: options.Store = "./store", json: options.Json = False) -> None:
    """Show the newest published forecasts. Runs nothing."""
    opened, tables = options.open_published(store)
    session = read_latest_session(opened)
    if session is None:
        raise StoreError(
            f"expected published forecasts in {store}, found none; "
            f"publish some: forecaster run --store {store}"
        )
    shown = read_session(opened, tables, session)
    if not shown.runs:
        raise StoreError(f"expected the manifests of {session} in {store}, found none")
    withheld = {ticker: Withheld.of(reason) for ticker, reason in shown.withheld.items()}
    if json:
        console.print_json(shown.document() | {"withheld": withheld})
    else:
        console.print_published(shown)
        console.print_withheld(withheld)
        console.print_line(f"Page      {opened.url(DASHBOARD)}")
