"""The command `forecaster what-if`: the forecast from a session that has not been."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from pipeline.cli import console, options, questioning, selecting
from pipeline.cli.question_text import print_what_if
from pipeline.errors import ConfigError
from pipeline.record.stored_model import read_model
from pipeline.serving.answer_what_if import answer_what_if
from pipeline.serving.published import find_ticker
from pipeline.serving.questions import WhatIfRequest
from pipeline.serving.scenario_tickers import refuse_withheld

EXAMPLE = "forecaster what-if SPY --return -3% --range 4% --store ./store"
LEAST, MOST, WIDEST = -90.0, 200.0, 300.0  # percent
_PERCENT = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)\s*%")

Ticker = Annotated[str, typer.Argument(metavar="TICKER", help="Whose forecast, like SPY.")]
Return = Annotated[
    str, typer.Option("--return", metavar="PERCENT", help="Of the next close, like -3%.")
]
Range = Annotated[
    str | None,
    typer.Option("--range", metavar="PERCENT", help="High less low; else a typical one."),
]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("what-if", epilog=f"Example: {EXAMPLE}")(what_if_command)


def what_if_command(
    ticker: Ticker,
    change: Return,
    range_: Range = None,
    day: selecting.Day = None,
    store: options.Store = "./store",
    json: options.Json = False,
) -> None:
    """Forecast from an assumed next session, beside what is published. Never on the record.

    The bar opens at the last close; the VIX stays where it is. By the model, the bars and the
    calibration of the published forecast.
    """
    names = options.parse_tickers([ticker])
    if len(names) != 1:
        raise ConfigError(f"TICKER: expected one, got {', '.join(names)}")
    request = WhatIfRequest(
        names[0],
        parse_percent("--return", change, LEAST, MOST),
        **({} if range_ is None else {"range": parse_percent("--range", range_, 0.0, WIDEST)}),
    )
    asked = questioning.read_asked(store, day, names)
    published = find_ticker(asked.latest, names[0])
    run = next((run for run in asked.runs if names[0] in run.published), None)
    if run is None:
        raise refuse_withheld(asked.scenarios, names[0], published.status)
    with questioning.refusing_options():
        model = read_model(asked.store, run, run.version_of(names[0]))
        answer = answer_what_if(asked.scenarios, published, model, request)
    if json:
        questioning.print_answer(answer, asked)
        return
    console.print_source(answer.source)
    print_what_if(answer)
    questioning.print_age(asked)


def parse_percent(option: str, text: str, least: float, most: float) -> float:
    """Return the part that a percentage is, -3% as -.03; raises ConfigError for anything else."""
    if not _PERCENT.fullmatch(text.strip()):
        raise ConfigError(f"{option}: expected a percentage like -3%, got {text!r}")
    percent = float(text.strip().removesuffix("%"))
    if not least <= percent <= most:
        raise ConfigError(f"{option}: expected {least:g}% to {most:g}%, got {text}")
    return percent / 100
