"""The command `forecaster fetch`."""

from __future__ import annotations

from pathlib import Path

import typer

from pipeline.cli import console, options
from pipeline.cli.plain import count
from pipeline.errors import ConfigError
from pipeline.jobs.fetch import Fetched, fetch, name_csv
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
        _print_fetched(fetched, out)
    fetched.require_complete()


def _print_fetched(fetched: Fetched, folder: Path) -> None:
    """Print which bars were written where, and which were not."""
    console.print_source(fetched.source)
    table = console.new_table("Ticker", "First", "Last", numbers=("Bars",), spare=("First",))
    for ticker, bars in fetched.written.items():
        first, last = str(bars.session.min()), str(bars.session.max())
        table.add_row(ticker, first, last, str(len(bars)))
    console.print_whole(table)
    files = [str(folder / name_csv(ticker)) for ticker in fetched.written]
    console.print_lines(*files[: console.FEW])
    if len(files) > console.FEW:
        console.print_line(f"and {count(len(files) - console.FEW, 'file')} more in {folder}")
    failed = {t: (str(error.reason), str(error)) for t, error in fetched.failures.items()}
    console.print_reasons("Not written", failed)
