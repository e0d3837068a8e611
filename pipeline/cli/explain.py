"""The command that says why an interval is wider: `forecaster explain`."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from pipeline.cli import console, options
from pipeline.errors import ConfigError
from pipeline.jobs.explain import Explanation, explain
from pipeline.views.width_words import CAUSE_WORDS, share_out

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
    opened, tables = options.open_published(store, names)
    explained = explain(opened, tables, names[0])
    if json:
        change = msgspec.to_builtins(explained.width_change)
        head = {"ticker": explained.ticker, "session": explained.session}
        console.print_json(head | change)
    else:
        _print(explained)


def _print(explained: Explanation) -> None:
    percent, points = share_out(explained.width_change)
    word = "wider" if percent >= 0 else "narrower"
    console.print_line(
        f"{explained.ticker}: the 95 % interval from {explained.session} is {abs(percent):.1f} % "
        f"{word} than the one from {explained.width_change.before}"
    )
    table = console.new_table("Because of", numbers=("Share, points",))
    for cause, share in points.items():
        table.add_row(CAUSE_WORDS[cause], f"{share:+.1f}")
    console.print_whole(table)
