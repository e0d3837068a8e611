"""The command that proves a model: `forecaster backtest`."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from pipeline import backtests, console, options
from pipeline.bars import Bars
from pipeline.bundle import load_bundle
from pipeline.errors import ConfigError
from pipeline.leaderboard.board import summarise
from pipeline.leaderboard.text import print_leaderboard
from pipeline.market import EARLIEST, read_market
from pipeline.model import Model
from pipeline.ports import BarSource
from pipeline.record import to_json
from pipeline.vintage import VIX

YEAR = re.compile(r"\d{4}")
SCORES, SUMMARY = "scores.parquet", "summary.json"
# The pictures of the card show 2008 too.
DRAWN_FROM = date(2008, 1, 1)


def _first_day(text: str | date) -> date:
    return _day(text, "01-01")


def _last_day(text: str | date) -> date:
    return _day(text, "12-31")


def _day(text: str | date, of_year: str) -> date:
    try:
        if isinstance(text, date):
            return text
        return date.fromisoformat(f"{text}-{of_year}" if YEAR.fullmatch(text) else text)
    except ValueError:
        raise typer.BadParameter(
            f"expected a year like 2010 or a date like 2010-01-04, got {text!r}"
        ) from None


First = Annotated[
    date, typer.Option("--from", parser=_first_day, metavar="YEAR|DATE", help="First origin.")
]
Last = Annotated[
    date, typer.Option("--to", parser=_last_day, metavar="YEAR|DATE", help="Last origin.")
]
NoRefit = Annotated[
    bool, typer.Option("--no-refit", help="Train nothing: score --bundle over the whole span.")
]
Bundle = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="The model.", show_default="models/default, with --no-refit"),
]
Card = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Write model-card.md and its plots there as well."),
]
Workers = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, help="Processes at work.", show_default="one a core"),
]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    example = "Example: forecaster backtest --bars ./bars --from 2010"
    app.command("backtest", epilog=example)(backtest_command)


def backtest_command(
    bars: options.Bars,
    tickers: options.Tickers = options.DEFAULT_TICKERS,
    first: First = date(2010, 1, 1),
    last: Last = date(2024, 12, 31),
    no_refit: NoRefit = False,
    bundle: Bundle = None,
    out: options.Out = Path("out/backtest"),
    workers: Workers = None,
    card: Card = None,
    json: options.Json = False,
) -> None:
    """Score forecasts of the past, each made from what was known then, beside baselines.

    Each year is forecast by a model trained on what came before it.

    Interrupted and started again, it goes on where it was. With --card, models are trained from
    2008 on where bars reach back so far: pictures begin there, the leaderboard with --from.
    """
    names = options.parse_tickers(tickers)
    if first > last:
        raise ConfigError(f"--from: expected a date not after --to, {last}, got {first}")
    if bundle and not no_refit:
        raise ConfigError("--bundle: expected --no-refit beside it, else models are trained anew")
    folder = options.open_folder("--out", out)
    source, market, notes = _read(bars, names)
    if no_refit:
        with console.progress("Forecasting and scoring"):
            model = Model(load_bundle(bundle or options.DEFAULT_BUNDLE))
            scores = backtests.score_bundle(model, market, (first, last), notes)
    else:
        drawn_from = DRAWN_FROM if card else None
        workers = workers or os.cpu_count() or 1
        scores = backtests.score_refits(market, (first, last), drawn_from, out, workers)
    with console.progress("Comparing"):
        board = summarise(backtests.since(scores, first), market[1])
        folder.replace(SCORES, backtests.as_parquet(scores, source.label))
        folder.replace(SUMMARY, to_json(board))
        if card:
            backtests.write_card(scores, board, bundle or options.DEFAULT_BUNDLE, card)
    if json:
        files = {"scores": folder.url(SCORES), "summary": folder.url(SUMMARY)}
        console.print_json({"source": source.label, **files, "notes": notes, "leaderboard": board})
    else:
        console.print_source(source.label)
        for note in notes:
            console.print_line(f"Note: {note}", "yellow")
        print_leaderboard(board)
        console.print_line(f"Parquet   {folder.url(SCORES)}\nSummary   {folder.url(SUMMARY)}")


def _read(bars: str, names: Sequence[str]) -> tuple[BarSource, backtests.Market, list[str]]:
    """Return the source that `--bars` names, all of its bars and what to note of them."""
    with console.progress("Reading bars"):
        calendar = options.exchange()
        source = options.open_bars(bars, calendar)
        reading = read_market(source, names, EARLIEST, calendar.last_closed(options.now()))
        read = [Bars.validated(reading.bars[name]) for name in names]
        notes = [f"no VIX: {reading.failures[VIX]}"] if VIX in reading.failures else []
        return source, (read, reading.bars.get(VIX)), notes
