"""The command `forecaster show`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from pipeline.cli import console, options, selecting
from pipeline.cli.forecast_text import print_fans, print_published
from pipeline.cli.reasons import Withheld
from pipeline.errors import RequestError
from pipeline.record.keys import DASHBOARD
from pipeline.views.age import count_sessions_behind, describe_age
from pipeline.views.session import SessionForecasts, read_session

Shown = Annotated[
    list[str] | None, typer.Argument(metavar="[TICKER]...", help="Of which alone, like SPY QQQ.")
]
Plot = Annotated[
    bool, typer.Option("--plot", help="Draw the fan of each ticker too, here in the terminal.")
]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command(epilog="Example: forecaster show SPY --date 2025-06-12 --store ./store")(show)


def show(
    tickers: Shown = None,
    store: options.Store = "./store",
    day: selecting.Day = None,
    plot: Plot = False,
    json: options.Json = False,
) -> None:
    """Show published forecasts, the newest or those of a session. Runs nothing."""
    names = options.parse_tickers(tickers) if tickers else ()
    opened, tables = options.open_published(store, names)
    session = selecting.find_session(opened, store, day)
    shown = _select(read_session(opened, tables, session), names)
    withheld = {ticker: Withheld.of(reason) for ticker, reason in shown.withheld.items()}
    withheld = {t: why for t, why in withheld.items() if not names or t in names}
    # A session of the past is not old by mistake.
    behind = count_sessions_behind(shown.next_sessions, options.now()) if day is None else 0
    if json:
        age = {"stale": behind > 0, "sessions_behind": behind}
        console.print_json(shown.document() | {"withheld": withheld} | age)
        return
    print_published(shown, store)
    if plot:
        print_fans(opened, tables, shown)
    if behind:
        console.print_line(describe_age(behind, len(shown.next_sessions)), "bold yellow")
    console.print_withheld(withheld)
    console.print_line(f"Page      {opened.url(DASHBOARD)}")


def _select(shown: SessionForecasts, names: Sequence[str]) -> SessionForecasts:
    """Return the forecasts of these tickers, of all for none; RequestError for a stranger."""
    known = {ticker for run in shown.runs for ticker in run.tickers}
    if strangers := [name for name in names if name not in known]:
        few = ", ".join(sorted(known)[:10])
        raise RequestError(
            f"{', '.join(strangers)}: expected tickers of {shown.session}, which are {few}"
            + (f" and {len(known) - 10} more" if len(known) > 10 else "")
        )
    return shown.only(names) if names else shown
