"""The command `forecaster risk`: what a book of positions can lose."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli import console, options, questioning, selecting
from pipeline.cli.question_text import print_risk
from pipeline.errors import ConfigError
from pipeline.serving.answer_risk import answer_risk
from pipeline.serving.questions import USD, VALUES, RiskRequest

EXAMPLE = "forecaster risk --position SPY=10000 --position IWM=-5000 --store ./store"


def parse_value(text: str) -> str:
    """Return what positions count; raises BadParameter for anything else."""
    if text not in VALUES:
        raise typer.BadParameter(f"expected {' or '.join(VALUES)}, got {text!r}")
    return text


Position = Annotated[
    list[str], typer.Option("--position", metavar="TICKER=NUMBER", help="Held; below 0 if short.")
]
Counted = Annotated[
    str, typer.Option("--value", parser=parse_value, metavar="usd|shares", help="What it counts.")
]
Capital = Annotated[
    float | None, typer.Option("--capital", metavar="USD", help="What the book is financed with.")
]
Horizon = Annotated[
    int, typer.Option("--horizon", metavar="N", min=1, help="Whose shares and worst are shown.")
]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("risk", epilog=f"Example: {EXAMPLE}")(risk_command)


def risk_command(
    position: Position,
    value: Counted = USD,
    capital: Capital = None,
    horizon: Horizon = 1,
    day: selecting.Day = None,
    store: options.Store = "./store",
    json: options.Json = False,
) -> None:
    """Say what a book can lose in one to five sessions: VaR, ES and what each ticker adds.

    Counted in the published scenarios, each one joint draw of all tickers.
    """
    positions = _parse_positions(position)
    asked = questioning.read_asked(store, day, positions)
    request = RiskRequest(positions, value, **({} if capital is None else {"capital": capital}))
    with questioning.refusing_options():
        answer = answer_risk(asked.scenarios, request)
    if horizon > len(answer.horizons):
        raise ConfigError(f"--horizon: expected 1 to {len(answer.horizons)}, got {horizon}")
    if json:
        questioning.print_answer(answer, asked)
        return
    console.print_source(answer.source)
    print_risk(answer, horizon)
    questioning.print_age(asked)


def _parse_positions(texts: list[str]) -> dict[str, float]:
    positions: dict[str, float] = {}
    for text in texts:
        name, _, number = text.partition("=")
        ticker = name.strip().upper()
        try:
            amount = float(number)
        except ValueError:
            raise ConfigError(
                f"--position: expected a ticker and a number like SPY=10000, got {text!r}"
            ) from None
        if ticker in positions:
            raise ConfigError(f"--position: expected each ticker once, got {ticker} twice")
        positions[ticker] = amount
    return positions
