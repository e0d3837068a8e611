"""The command line: `forecaster run | show | fetch | train | backtest | serve` and so on.

Exit codes: 0 done, 1 failed (a ticker withheld, or data, model or store unusable), 2 wrong use.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import typer
from typer.exceptions import TyperException

from pipeline import (
    cli_backtest,
    cli_operations,
    cli_record,
    cli_serving,
    cli_train,
    console,
    daily,
    options,
)
from pipeline.errors import ConfigError, ForecasterError, StoreError
from pipeline.fetch import fetch
from pipeline.latest import latest_session
from pipeline.published import read_published
from pipeline.reasons import RememberingSource, Withheld
from pipeline.record import DASHBOARD
from pipeline.vintage import HISTORY_SESSIONS
from pipeline.wiring import daily_job

app = typer.Typer(
    help="Daily forecasts of ETF prices with prediction intervals.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit: the one place where errors become messages and exit codes."""
    try:
        code: int = app(args, prog_name="forecaster", standalone_mode=False) or 0
    except TyperException as exc:
        code = _refused(_misused(exc.format_message()), exc.exit_code)
    except ConfigError as exc:
        code = _refused(str(exc), 2)
    except ForecasterError as exc:
        code = _refused(str(exc), 1)
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


def _misused(message: str) -> str:
    # Without arguments the help is shown, and there is no message.
    return message and f"{message.rstrip('.')}; --help shows what is expected"


def _refused(message: str, code: int) -> int:
    if message:
        console.print_error(message)
    return code


@app.callback()
def _common(version: options.Version = False) -> None:
    pass


@app.command(epilog="Example: forecaster run --bars simulated --store ./store")
def run(
    bars: options.Bars = "yahoo",
    store: options.Store = "./store",
    bundle: options.Bundle = options.DEFAULT_BUNDLE,
    tickers: options.Tickers = options.DEFAULT_TICKERS,
    as_of: options.AsOf = None,
    json: options.Json = False,
) -> None:
    """Publish the forecasts of the last closed session, and show them. Safe to repeat."""
    names, at = options.parse_tickers(tickers), options.event_time("--as-of", as_of)
    with console.progress("Reading bars and forecasting"):
        calendar = options.exchange()
        source = RememberingSource(options.open_bars(bars, calendar))
        job = daily_job(names, source, calendar, store=store, bundle=bundle)
        summary = daily.run(daily.at_its_time(job, at, options.now()), at)
        shown = read_published(job.store, job.tables, summary.session)
    expected = calendar.ending(summary.session, HISTORY_SESSIONS)
    withheld = source.explain(summary.withheld, expected)
    if json:
        told = {"outcome": summary.outcome, "data_lag_sessions": summary.data_lag_sessions}
        console.print_json(told | shown.document() | {"withheld": withheld})
    else:
        console.print_published(shown)
        console.print_withheld(withheld)
        console.print_outcome(summary)
    summary.require_complete()


@app.command(epilog="Example: forecaster show --store ./store")
def show(store: options.Store = "./store", json: options.Json = False) -> None:
    """Show the newest published forecasts. Runs nothing."""
    opened, tables = options.open_published(store)
    session = latest_session(opened)
    if session is None:
        raise StoreError(
            f"expected published forecasts in {store}, found none; "
            f"publish some: forecaster run --store {store}"
        )
    shown = read_published(opened, tables, session)
    if not shown.runs:
        raise StoreError(f"expected the manifests of {session} in {store}, found none")
    withheld = {ticker: Withheld.of(reason) for ticker, reason in shown.withheld.items()}
    if json:
        console.print_json(shown.document() | {"withheld": withheld})
    else:
        console.print_published(shown)
        console.print_withheld(withheld)
        console.print_line(f"Page      {opened.url(DASHBOARD)}")


@app.command("fetch", epilog="Example: forecaster fetch --bars yahoo --out ./bars")
def fetch_bars(
    bars: options.Bars,
    out: options.Out,
    tickers: options.Tickers = options.DEFAULT_SYMBOLS,
    first: options.First = None,
    last: options.Last = None,
    force: options.Force = False,
    json: options.Json = False,
) -> None:
    """Write bars to a folder that --bars reads again, one CSV per ticker."""
    names, at = options.parse_tickers(tickers), options.event_time("--to", last)
    if out.resolve() == Path(bars).resolve():
        raise ConfigError(f"--out: expected another folder than --bars, got {out}")
    with console.progress("Reading bars"):
        calendar = options.exchange()
        source, newest = options.open_bars(bars, calendar), calendar.last_closed(at)
        oldest = first or calendar.ending(newest, HISTORY_SESSIONS)[0]
        if oldest > newest:
            raise ConfigError(
                f"--from: expected a date not after {newest}, the last session, got {oldest}"
            )
        fetched = fetch(
            source, names, oldest, newest, options.open_folder("--out", out), force=force
        )
    if json:
        console.print_json(fetched.document())
    else:
        console.print_fetched(fetched, out)
    fetched.require_complete()


cli_train.register(app)
cli_backtest.register(app)
cli_record.register(app)
cli_serving.register(app)
cli_operations.register(app, cli_serving.api_key_app)
