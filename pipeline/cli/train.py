"""The command that makes a model: `forecaster train`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import date
from typing import Annotated, Any

import typer
from msgspec import UNSET

from pipeline.backtest.history import EARLIEST
from pipeline.cli import console, options
from pipeline.cli.leaderboard_text import print_side_by_side
from pipeline.errors import ConfigError, WorseModel
from pipeline.forecasting.calibration import BROAD_CALIBRATOR

# Ten funds, and stocks of all sectors, calm and wild ones, that any source has since 2004.
BROAD_TICKERS = (
    "SPY,QQQ,IWM,EEM,EFA,TLT,LQD,XLE,XLF,XLK,"
    "AAPL,MSFT,AMZN,NVDA,JPM,BAC,GS,JNJ,PFE,UNH,AMGN,XOM,SLB,PG,"
    "KO,WMT,HD,NKE,CAT,GE,BA,DIS,NEE,T,F,FCX,MU,GME"
)
Broad = Annotated[
    bool, typer.Option("--broad", help="Train on many names, to serve tickers never seen.")
]
Adjusted = Annotated[
    bool, typer.Option("--adjusted", help="All prices are adjusted for dividends.")
]
SCORES = ("interval_score_80", "interval_score_95")


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command(epilog="Example: forecaster train --bars ./bars --out ./bundle")(train)


def train(
    bars: options.Bars,
    out: options.Out,
    until: options.Until = None,
    prove_from: options.ProveFrom = options.DEFAULT_PROOF,
    tickers: options.Tickers = options.DEFAULT_TICKERS,
    broad: Broad = False,
    adjusted: Adjusted = False,
    json: options.Json = False,
) -> None:
    """Train a model on all bars, prove it beside GARCH(1,1)-t and write its bundle.

    With --broad on ten funds and 28 stocks, for tickers that the default model was not proven on.
    """
    own = broad and tickers == options.DEFAULT_TICKERS
    names = options.parse_tickers([BROAD_TICKERS] if own else tickers)
    try:
        with console.progress("Reading bars") as phase:
            training, tracker = _import_training()
            options.open_folder("--out", out)
            calendar = options.open_calendar()
            at = options.event_time("--until", until, calendar)
            source = options.open_bars(bars, calendar)
            newest = calendar.last_closed(at)
            read, vix = training.read_all(source, names, EARLIEST, newest, adjusted=adjusted)
            learns = BROAD_CALIBRATOR if broad else UNSET
            task = training.TrainingTask(
                read, vix, prove_from, adjusted=adjusted, own_calibrator=learns
            )
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
        _print_proof(trained.scores, prove_from, trained.note)


def _print_proof(scores: Mapping[str, float], first: date, note: str | None) -> None:
    """Print the scores of a proof from session `first` on, or why there is none."""
    if note is not None:
        console.print_line(f"Note: no proof. {note}", "yellow")
        return
    ratios = (f"{name}_ratio_vs_garch_t" for name in ("crps", *SCORES))
    columns = (*ratios, "coverage_80", "coverage_95")
    numbers = ("CRPS", "80 % score", "95 % score", "80 % covered", "95 % covered")
    table = console.new_table("Ticker", numbers=numbers, spare=("80 % covered", "80 % score"))
    tickers = [name.removeprefix("coverage_95") for name in scores if "coverage_95" in name]
    for ticker in tickers:
        values = (f"{scores[column + ticker]:.3f}" for column in columns)
        table.add_row(ticker.removeprefix("_") or "all", *values)
    console.print_line(
        f"Proof: trained on what came before {first}, scored from then on, horizon 1"
    )
    console.print_whole(table)
    console.print_line("CRPS and interval scores are ratios to GARCH(1,1)-t: lower is better.")


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
