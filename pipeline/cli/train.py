"""The command that makes a model: `forecaster train`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import typer

from pipeline.backtest.history import EARLIEST
from pipeline.cli import console, options
from pipeline.cli.leaderboard_text import print_side_by_side
from pipeline.errors import ConfigError, WorseModel


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command(epilog="Example: forecaster train --bars ./bars --out ./bundle")(train)


def train(
    bars: options.Bars,
    out: options.Out,
    until: options.Until = None,
    prove_from: options.ProveFrom = options.DEFAULT_PROOF,
    tickers: options.Tickers = options.DEFAULT_TICKERS,
    json: options.Json = False,
) -> None:
    """Train a model on all bars, prove it beside GARCH(1,1)-t and write its bundle."""
    names = options.parse_tickers(tickers)
    try:
        with console.progress("Reading bars") as phase:
            training, tracker = _import_training()
            options.open_folder("--out", out)
            calendar = options.open_calendar()
            at = options.event_time("--until", until, calendar)
            source = options.open_bars(bars, calendar)
            newest = calendar.last_closed(at)
            read, vix = training.read_all(source, names, EARLIEST, newest)
            task = training.TrainingTask(read, vix, prove_from)
            trained = training.train_and_prove(task, out, tracker(), phase.update)
    except WorseModel as exc:
        _print_comparison(exc, json=json)
        raise
    if json:
        document = {"source": source.label, "bundle": str(out), "prove_from": prove_from}
        console.print_json(document | asdict(trained))
    else:
        console.print_source(source.label)
        console.print_line(f"Trained {trained.model_version}, written to {out}")
        console.print_proof(trained.scores, prove_from, trained.note)


def _print_comparison(refused: WorseModel, *, json: bool) -> None:
    """Print what a new bundle scored beside the current one, which stays."""
    if json:
        leaderboards = {"current": refused.current, "new": refused.new}
        console.print_json({"refused": str(refused), **leaderboards})
    else:
        print_side_by_side(refused.current, refused.new)


def _import_training() -> tuple[Any, Callable[[], Any]]:
    try:
        from pipeline.training import job  # noqa: PLC0415
        from pipeline.training.mlflow_tracker import MlflowTracker  # noqa: PLC0415
    except ModuleNotFoundError as exc:
        raise ConfigError(
            f"expected the libraries that train a model, got: {exc}; pip install '.[training]'"
        ) from exc
    return job, MlflowTracker
