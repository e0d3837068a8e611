"""The command `forecaster fetch`."""

from __future__ import annotations

from pathlib import Path

import typer

from pipeline.cli import console, options
from pipeline.errors import ConfigError
from pipeline.jobs.fetch import fetch
from pipeline.record.vintage import HISTORY_SESSIONS


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("fetch", epilog="Example: forecaster fetch --bars yahoo --out ./bars")(fetch_bars)


def fetch_bars(
    bars: options.Bars,
    out: options.Out,
    tickers: options.Tickers = options.DEFAULT_SYMBOLS,
    exchange: options.Exchange = None,
    first: options.First = None,
    last: options.Last = None,
    force: options.Force = False,
    json: options.Json = False,
) -> None:
    """Write bars to a folder that --bars reads again, one CSV per ticker."""
    names = options.parse_tickers(tickers)
    if out.resolve() == Path(bars).resolve():
        raise ConfigError(f"--out: expected another folder than --bars, got {out}")
    with console.progress("Reading bars"):
        calendar = options.open_calendar(exchange)
        newest = calendar.last_closed(options.event_time("--to", last, calendar))
        source = options.open_bars(bars, calendar)
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
