"""What is printed of a session's forecasts: a few of them whole, of thousands a summary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from pipeline.cli.console import (
    FEW,
    MOST_ROWS,
    find_width,
    new_table,
    print_drawing,
    print_line,
    print_lines,
    print_source,
    print_whole,
)
from pipeline.cli.fan_text import STYLES, describe_fans, draw_fan, list_legend
from pipeline.cli.footnote import Footnote
from pipeline.cli.plain import count, name_few
from pipeline.columns import Columns, take, where
from pipeline.grid import format_interval, format_price, name_price
from pipeline.jobs.daily_summary import Outcome, Summary
from pipeline.ports import ObjectStore, Tables
from pipeline.record.manifest import join_notes
from pipeline.views.fan import read_fans
from pipeline.views.session import SessionForecasts

OUTCOMES = {
    Outcome.PUBLISHED: "Published just now.",
    Outcome.NOTHING_TO_DO: "Published before; there was nothing to do.",
    Outcome.INCOMPLETE: (
        "Published just now: {published}. Withheld: {withheld}, the reasons are on the record."
    ),
    Outcome.CLOSED_UNCONFIRMED: (
        "No ticker has a bar of {session} yet, all end one session before: late data, or a "
        "closure that was not announced. Nothing was published; a later run will look again."
    ),
}
MOST_FANS = 4  # drawn at once
SPARE = ("Last close", "80 % interval", "Horizon", "Prediction")


def print_published(shown: SessionForecasts, store: str) -> None:
    """Print a session's forecasts, where they come from and where in `store` they lie."""
    if not shown.runs:
        return
    print_source(shown.source)
    print_line(f"Forecasts from the close of {shown.session}")
    n = len(shown.forecasts.get("ticker", ()))
    footnote = Footnote.of(join_notes(shown.runs))
    if n > MOST_ROWS:
        _print_summary(shown.forecasts, shown.currencies, store, footnote)
    elif n:
        _print_forecasts(shown.rows(), shown.currencies, footnote)
    else:
        print_lines("", "No forecasts.", "", style="yellow")
    for note in shown.notes:
        print_line(f"Note: {note}", "yellow")
    for forecasts, manifest in shown.urls:
        print_lines(f"Parquet   {forecasts}", f"Manifest  {manifest}")


def print_outcome(summary: Summary) -> None:
    """Print how a run ended."""
    if summary.withheld and not summary.manifests:
        print_line("Nothing was published, and nothing recorded.")
        return
    fields = {
        "session": summary.session,
        "published": name_few(summary.published) or "nothing",
        "withheld": name_few(summary.withheld),
    }
    print_line(OUTCOMES[summary.outcome].format(**fields))


def print_surprises(summary: Summary) -> None:
    """Print the closes that lie outside their 98 % interval."""
    surprises = [close for close in summary.realised if close.surprise]
    for close in surprises[:FEW]:
        print_line(f"Surprise  {close.describe()}", "yellow")
    if len(surprises) > FEW:
        print_line(f"Surprise  and {len(surprises) - FEW:,} more", "yellow")


def _print_forecasts(
    rows: Sequence[Mapping[str, Any]], currencies: Mapping[str, str], footnote: Footnote
) -> None:
    numbers = ("Horizon", "Last close", "Prediction", "95 % interval", "80 % interval")
    table = new_table("Ticker", "Target date", numbers=numbers, spare=SPARE)
    for ticker, of_ticker in groupby(rows, lambda row: row["ticker"]):
        table.add_section()
        currency, name = currencies.get(ticker), footnote.mark(ticker)
        for row in of_ticker:
            prices = (
                name_price(row["last_close"], currency),
                format_price(row["prediction"], currency),
            )
            within = (
                format_interval(row[f"lower_{c}"], row[f"upper_{c}"], currency) for c in (95, 80)
            )
            table.add_row(name, str(row["target_date"]), str(row["horizon"]), *prices, *within)
    print_whole(table)
    footnote.print_below()


def _print_summary(
    forecasts: Columns, currencies: Mapping[str, str], store: str, footnote: Footnote
) -> None:
    """Print how many forecasts there are, and the tickers whose next session is least certain."""
    following = where(forecasts, forecasts["horizon"] == forecasts["horizon"].min())
    width = 100 * (following["upper_95"] - following["lower_95"]) / following["last_close"]
    n = len(following["ticker"])
    print_line(
        f"{count(len(forecasts['ticker']), 'forecast')} of {count(n, 'ticker')}, targets "
        f"{forecasts['target_date'].min()} to {forecasts['target_date'].max()}; too many to list."
    )
    print_line(
        f"The widest 95 % intervals of the next session; half are below "
        f"{np.median(width):.2f} % of the last close:"
    )
    widest = np.argsort(-width, kind="stable")[:FEW]
    rows = take(following, widest)
    numbers = ("Last close", "95 % interval", "Width, %")
    table = new_table("Ticker", numbers=numbers, spare=("Last close",))
    columns = (rows[name].tolist() for name in ("ticker", "last_close", "lower_95", "upper_95"))
    for ticker, close, low, high in zip(*columns, strict=True):
        percent = 100 * (high - low) / close
        currency = currencies.get(ticker)
        within = format_interval(low, high, currency)
        name = footnote.mark(ticker)
        table.add_row(name, name_price(close, currency), within, f"{percent:.2f}")
    print_whole(table)
    footnote.print_below()
    print_lines(
        f"One of them: forecaster show {following['ticker'][0]} --store {store}",
        "All of them: forecaster export --out forecasts.csv --mode all "
        f"--from {forecasts['origin_date'].min()} --store {store}",
    )


def print_fans(store: ObjectStore, tables: Tables, shown: SessionForecasts) -> None:
    """Draw the fans of a session's tickers; of many the first."""
    names = list(dict.fromkeys(shown.forecasts.get("ticker", ())))
    width = find_width()
    for fan in read_fans(store, tables, shown.session, names[:MOST_FANS]):
        print_lines("", f"{fan.ticker}: {describe_fans([fan])}")
        print_drawing(draw_fan(fan, width), STYLES)
    if names:
        print_lines("", *list_legend(width))
    if len(names) > MOST_FANS:
        print_line(f"Drawn are {MOST_FANS} of {count(len(names), 'ticker')}; name others.")
