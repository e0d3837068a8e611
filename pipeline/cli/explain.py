"""The command that says why an interval is wider: `forecaster explain`."""

from __future__ import annotations

from dataclasses import asdict
from math import expm1
from typing import Annotated

import typer

from pipeline.cli import console, options
from pipeline.errors import ConfigError
from pipeline.jobs.explain import WidthChange, explain

TITLES = {
    "last_session": "range and returns of the last session",
    "week": "volatility of a week",
    "month": "volatility of a month",
    "quarter": "volatility of a quarter",
    "falls": "falls and drawdown",
    "days_to_next": "days to the next session",
    "vix": "VIX",
    "calibration": "calibration",
}
Ticker = Annotated[str, typer.Argument(metavar="TICKER", help="Whose forecast, like SPY.")]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("explain", epilog="Example: forecaster explain SPY --store ./store")(
        explain_command
    )


def explain_command(
    ticker: Ticker, store: options.Store = "./store", json: options.Json = False
) -> None:
    """Say why a ticker's 95 % interval is wider or narrower than the one issued before it."""
    names = options.parse_tickers([ticker])
    if len(names) != 1:
        raise ConfigError(f"TICKER: expected one, got {', '.join(names)}")
    opened, tables = options.open_published(store)
    change = explain(opened, tables, options.open_calendar(store=opened), names[0])
    if json:
        console.print_json(asdict(change))
    else:
        _print_change(change)


def _print_change(change: WidthChange) -> None:
    percent = 100 * expm1(change.change)
    word = "wider" if percent >= 0 else "narrower"
    console.print_line(
        f"{change.ticker}: the 95 % interval from {change.session} is {abs(percent):.1f} % {word} "
        f"than the one from {change.before}"
    )
    table = console.new_table("Because of", numbers=("Share, points",))
    for cause, share in sorted(change.causes.items(), key=lambda item: -abs(item[1])):
        # Logarithms add up where percentages do not: shares of the change, in its proportion.
        points = share / change.change * percent if change.change else 100 * share
        table.add_row(TITLES[cause], f"{points:+.1f}")
    console.print_whole(table)
