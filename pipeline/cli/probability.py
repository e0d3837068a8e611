"""The command `forecaster probability`: how likely a close is."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Any

import typer

from pipeline.cli import console, options, questioning, selecting
from pipeline.cli.question_text import print_probability
from pipeline.errors import ConfigError
from pipeline.serving.answer_probability import answer_probability
from pipeline.serving.questions import ProbabilityRequest

EXAMPLE = 'forecaster probability "QQQ < 500 in 3 sessions" --store ./store'
FORMS = (
    '"QQQ < 500 in 3 sessions", "QQQ above 500 by YYYY-MM-DD" or '
    '"QQQ touches between 480 and 490 in 5 sessions"'
)
_NUMBER = r"\d+(?:\.\d+)?"
_SENTENCE = re.compile(
    r"(?P<ticker>[^\s<>]+)\s*(?P<touch>\s+touch(?:es)?\b)?\s*"
    rf"(?:(?:<|\bbelow\b|\bunder\b)\s*(?P<below>{_NUMBER})"
    rf"|(?:>|\babove\b|\bover\b)\s*(?P<above>{_NUMBER})"
    rf"|\bbetween\s+(?P<low>{_NUMBER})\s+and\s+(?P<high>{_NUMBER}))\s+"
    r"(?:(?:by|on)\s+(?P<date>\d{4}-\d\d-\d\d)|in\s+(?P<horizon>\d{1,9})\s+sessions?)",
    re.IGNORECASE,
)

Sentence = Annotated[str, typer.Argument(metavar="QUESTION", help=f"Like {FORMS}.")]
Touch = Annotated[
    bool, typer.Option("--touch", help="At any close until then, not at the last alone.")
]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("probability", epilog=f"Example: {EXAMPLE}")(probability_command)


def probability_command(
    question: Sentence,
    touch: Touch = False,
    day: selecting.Day = None,
    store: options.Store = "./store",
    json: options.Json = False,
) -> None:
    """Say how likely a close is, with its sampling error. Closes only: nothing within a session.

    The day that is named is the one whose close counts; `touches` asks of any close until then.
    """
    request = parse_sentence(question, touch=touch)
    asked = questioning.read_asked(store, day, [request.ticker])
    with questioning.refusing_options():
        answer = answer_probability(asked.scenarios, request)
    if json:
        questioning.print_answer(answer, asked)
        return
    console.print_source(answer.source)
    print_probability(answer)
    questioning.print_age(asked)


def parse_sentence(text: str, *, touch: bool = False) -> ProbabilityRequest:
    """Return the question in a sentence; raises ConfigError for one of another form."""
    match = _SENTENCE.fullmatch(text.strip())
    if match is None:
        raise ConfigError(f"QUESTION: expected {FORMS}, got {text!r}")
    fields: dict[str, Any] = {n: float(match[n]) for n in ("below", "above") if match[n]}
    if match["low"]:
        fields["between"] = float(match["low"]), float(match["high"])
    if match["horizon"]:
        fields["horizon"] = int(match["horizon"])
    else:
        fields["date"] = _parse_day(match["date"])
    (ticker,) = options.parse_tickers([match["ticker"]])[:1]
    return ProbabilityRequest(ticker, touch=touch or bool(match["touch"]), **fields)


def _parse_day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"QUESTION: expected a date like 2024-12-27, got {text}") from None
