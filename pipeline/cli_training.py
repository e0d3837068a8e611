"""The command that proves a model: `forecaster backtest`."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from pipeline import console, options
from pipeline.backtest import GARCH, backtest, concatenated, fixed_baselines, score_baseline
from pipeline.bars import Bars, RawBars
from pipeline.bundle import load_bundle
from pipeline.errors import ConfigError, DataError
from pipeline.leaderboard.board import Leaderboard, summarise
from pipeline.leaderboard.text import print_leaderboard
from pipeline.model import Model
from pipeline.ports import BarSource, Columns
from pipeline.progress_bar import progress_bar
from pipeline.record import to_json

# Before the first bar that any source has.
EARLIEST = date(1970, 1, 1)
VIX = "^VIX"
YEAR = re.compile(r"\d{4}")
SCORES, SUMMARY = "scores.parquet", "summary.json"
WHAT_LOST = "what-lost.md"


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

    Interrupted and started again, it goes on where it was.
    """
    names = options.parse_tickers(tickers)
    if first > last:
        raise ConfigError(f"--from: expected a date not after --to, {last}, got {first}")
    if bundle and not no_refit:
        raise ConfigError("--bundle: expected --no-refit beside it, else models are trained anew")
    folder = options.open_folder("--out", out)
    with console.progress("Reading bars"):
        calendar = options.exchange()
        source = options.open_bars(bars, calendar)
        read, vix, notes = _read(source, names, calendar.last_closed(options.now()))
    if no_refit:
        with console.progress("Forecasting and scoring"):
            model = Model(load_bundle(bundle or options.DEFAULT_BUNDLE))
            scores = _score_bundle(model, read, vix, (first, last), notes)
    else:
        scores = _walk_forward(read, vix, (first, last), out, workers or os.cpu_count() or 1)
    with console.progress("Comparing"):
        board = summarise(scores, vix)
        folder.replace(SCORES, _parquet(scores, source.label))
        folder.replace(SUMMARY, to_json(board))
        if card:
            _write_card(scores, board, bundle or options.DEFAULT_BUNDLE, card)
    if json:
        files = {"scores": folder.url(SCORES), "summary": folder.url(SUMMARY)}
        console.print_json({"source": source.label, **files, "notes": notes, "leaderboard": board})
    else:
        console.print_source(source.label)
        for note in notes:
            console.print_line(f"Note: {note}", "yellow")
        print_leaderboard(board)
        console.print_line(f"Parquet   {folder.url(SCORES)}\nSummary   {folder.url(SUMMARY)}")


def _read(
    source: BarSource, tickers: Sequence[str], last: date
) -> tuple[list[Bars], RawBars | None, list[str]]:
    """Return bars, the VIX where the source has it, and notes; raises DataError without bars."""
    reading = source.read([*tickers, VIX], EARLIEST, last)
    for ticker in tickers:
        if ticker in reading.failures:
            raise reading.failures[ticker]
    vix = reading.bars.get(VIX)
    notes = [] if vix is not None else [f"no VIX: {reading.failures[VIX]}"]
    return [Bars.validated(reading.bars[ticker]) for ticker in tickers], vix, notes


def _score_bundle(
    model: Model,
    bars: Sequence[Bars],
    vix: RawBars | None,
    span: tuple[date, date],
    notes: list[str],
) -> Columns:
    """Return the scores of a bundle and of baselines that need no fitting; adds to `notes`."""
    trained = model.manifest.training.last_session
    if trained >= span[0]:
        notes.append(f"trained on data up to {trained}: forecasts from before then prove nothing")
    parts = [backtest(bars, model, *span, vix)]
    baselines = fixed_baselines(model.manifest, [one.ticker for one in bars])
    if GARCH in baselines:
        notes.append(f"{GARCH} is not refitted either: its parameters are stored in the bundle")
    else:
        notes.append(f"without {GARCH}: the bundle has no parameters of it for these tickers")
    for name, baseline in baselines.items():
        try:
            parts.append(score_baseline(bars, baseline, *span, name))
        except DataError as exc:
            notes.append(f"without {name}: {exc}")
    return concatenated(parts)


def _walk_forward(
    bars: Sequence[Bars], vix: RawBars | None, span: tuple[date, date], out: Path, workers: int
) -> Columns:
    try:
        from pipeline.training.baseline_set import BASELINES  # noqa: PLC0415
        from pipeline.training.calibrated import CALIBRATED, calibrated  # noqa: PLC0415
        from pipeline.training.parts import Market  # noqa: PLC0415
        from pipeline.training.trainers import ensemble  # noqa: PLC0415
        from pipeline.training.walk_forward import WalkForward, walk_forward  # noqa: PLC0415
    except ModuleNotFoundError as exc:
        raise ConfigError(
            f"expected the libraries that train a model, got: {exc}; pip install '.[training]', "
            "or score a trained one: --no-refit"
        ) from exc
    plan = WalkForward(Market(tuple(bars), vix), ensemble, BASELINES, *span)
    with progress_bar("Training and forecasting") as report:
        scores = walk_forward(plan, out, workers, report)
    return concatenated([scores, score_baseline(bars, calibrated(out, vix), *span, CALIBRATED)])


def _write_card(scores: Columns, board: Leaderboard, bundle: Path, folder: Path) -> None:
    from pipeline.training.model_card import write_model_card  # noqa: PLC0415

    lost = folder / WHAT_LOST
    told = lost.read_text() if lost.exists() else ""
    write_model_card(scores, board, load_bundle(bundle).manifest, told, folder)


def _parquet(scores: Columns, source: str) -> bytes:
    from pipeline.adapters.parquet import ParquetTables  # noqa: PLC0415

    return ParquetTables().encode("scores", scores, {"source": source})
