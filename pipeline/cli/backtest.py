"""The command that proves a model: `forecaster backtest`."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from pipeline.backtest.evaluate import score_bundle
from pipeline.backtest.history import EARLIEST, MarketHistory, read_market
from pipeline.backtest.leaderboard import Leaderboard, summarise
from pipeline.backtest.scenarios.board import ScenarioBoard, summarise_scenarios
from pipeline.bars import VIX, Bars
from pipeline.cli import console, options
from pipeline.cli.backtest_files import LABELS, write_card, write_files
from pipeline.cli.leaderboard_text import print_leaderboard
from pipeline.cli.refits import score_anew
from pipeline.columns import Columns, where
from pipeline.errors import ConfigError
from pipeline.forecasting.bundle import load_bundle
from pipeline.forecasting.model import Model
from pipeline.ports import BarSource
from pipeline.wiring import DEFAULT_BUNDLE

YEAR = re.compile(r"\d{4}")
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
        expected = "expected a year like 2010 or a date like 2010-01-04"
        raise typer.BadParameter(f"{expected}, got {text!r}") from None


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
    source, market, notes = _read_market(bars, names)
    served = bundle or DEFAULT_BUNDLE
    if no_refit:
        with console.progress("Forecasting and scoring"):
            model = Model(load_bundle(served))
            scores, drawn = score_bundle(model, market, (first, last), notes), None
    else:
        drawn_from = DRAWN_FROM if card else None
        workers = workers or os.cpu_count() or 1
        scores, drawn = score_anew(market, (first, last), drawn_from, out, workers, notes)
    with console.progress("Comparing"):
        board = summarise(_select_since(scores, first), market.vix)
        joint = None if drawn is None else summarise_scenarios(drawn, names)
        tables = {"scores": scores, "scenario_scores": drawn}
        boards = {"summary": board, "scenario_summary": joint}
        files = write_files(folder, source.label, tables, boards)
        if card:
            write_card(scores, board, joint, served, card)
    if json:
        shown = {"leaderboard": board, "scenarios": joint}
        console.print_json({"source": source.label, **files, "notes": notes, **shown})
    else:
        _print_boards(source, board, joint, notes)
        console.print_lines(*(f"{LABELS[name]:<9} {url}" for name, url in files.items()))


def _print_boards(
    source: BarSource, board: Leaderboard, joint: ScenarioBoard | None, notes: Sequence[str]
) -> None:
    console.print_source(source.label)
    for note in notes:
        console.print_line(f"Note: {note}", "yellow")
    print_leaderboard(board, joint)


def _read_market(bars: str, names: Sequence[str]) -> tuple[BarSource, MarketHistory, list[str]]:
    """Return the source that `--bars` names, all of its bars and what to note of them."""
    with console.progress("Reading bars"):
        calendar = options.open_calendar()
        source = options.open_bars(bars, calendar)
        reading = read_market(source, names, EARLIEST, calendar.last_closed(options.now()))
        read = tuple(Bars.validate(reading.bars[name]) for name in names)
        notes = [f"no VIX: {reading.failures[VIX]}"] if VIX in reading.failures else []
        return source, MarketHistory(read, reading.bars.get(VIX)), notes


def _select_since(scores: Columns, first: date) -> Columns:
    """Return the scores of origins from `first` on."""
    return where(scores, scores["origin_date"] >= np.datetime64(first))
