"""The questions of the OpenAPI document: risk, probability and a session assumed."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
import numpy as np

from handlers.http import openapi_examples as examples
from handlers.http.openapi_refs import example_refs, problem_refs, schema_ref
from pipeline.scenarios.scenario_cube import ScenarioCube
from pipeline.serving.answer_probability import answer_probability
from pipeline.serving.answer_risk import answer_risk
from pipeline.serving.answers import PredictAnswer
from pipeline.serving.question_answers import (
    Assumed,
    ProbabilityAnswer,
    RiskAnswer,
    WhatIfAnswer,
)
from pipeline.serving.questions import ProbabilityRequest, RiskRequest, WhatIfRequest
from pipeline.views.scenario_view import ScenarioView

JSON = "application/json"


class _Question(NamedTuple):
    name: str
    summary: str
    request: type
    answer: type


QUESTIONS = {
    "/risk": _Question("risk", "What a book of positions can lose", RiskRequest, RiskAnswer),
    "/probability": _Question(
        "probability", "How likely a close is", ProbabilityRequest, ProbabilityAnswer
    ),
    "/what-if": _Question(
        "whatIf", "The forecast from an assumed next session", WhatIfRequest, WhatIfAnswer
    ),
}
QUESTION_TYPES = tuple(kind for each in QUESTIONS.values() for kind in (each.request, each.answer))
# Of the fields that are there or not, which go together.
TOGETHER = {
    ProbabilityRequest: [
        {"oneOf": [{"required": [name]} for name in ("below", "above", "between")]},
        {"oneOf": [{"required": [name]} for name in ("horizon", "date")]},
    ]
}


def build_questions() -> dict[str, Any]:
    """Return the operations by their paths."""
    return {path: _build_operation(question) for path, question in QUESTIONS.items()}


def _build_operation(question: _Question) -> dict[str, Any]:
    schema: dict[str, Any] = schema_ref(question.request)
    if question.request in TOGETHER:
        schema = {"allOf": [schema, *TOGETHER[question.request]]}
    asked, said = f"{question.name}Asked", f"{question.name}Said"
    answer = {"schema": schema_ref(question.answer), "examples": example_refs(said)}
    return {
        "operationId": question.name,
        "summary": question.summary,
        "requestBody": {
            "required": True,
            "content": {JSON: {"schema": schema, "examples": example_refs(asked)}},
        },
        "responses": {
            "200": {"description": question.summary, "content": {JSON: answer}},
            **problem_refs(400, 401, 403, 404, 413, 415, 422, 503),
        },
    }


def _view() -> ScenarioView:
    """Return invented scenarios of two ETFs: quantiles of a wave, the same on every machine."""
    steps = np.arange(1.0, 41.0)
    spy, iwm = np.sin(steps), 0.8 * np.sin(steps) + 0.6 * np.sin(1.7 * steps)
    returns = 0.01 * np.stack([iwm, spy], axis=1)[:, :, None] * np.sqrt(np.arange(1, 6))
    closes = np.array([230.0, examples.CLOSE])
    cube = ScenarioCube(
        ("IWM", "SPY"),
        examples.LAST,
        examples.TARGETS,
        closes,
        returns.round(4).astype(np.float32),
    )
    return ScenarioView(cube, "yahoo", examples.VERSION)


def _assume() -> WhatIfAnswer:
    """Return the answer to a fall of 3 %, in round numbers."""
    published: PredictAnswer = examples.predicted(of_ticker=True)
    undated = examples.predicted(of_ticker=False).horizons
    bar = Assumed(examples.TARGETS[0], 450.0, 452.25, 434.25, 436.5, 0.04, "given")
    return WhatIfAnswer(
        ticker="SPY",
        hypothetical=True,
        assumed=bar,
        last_close=examples.CLOSE,
        origin_date=examples.LAST,
        published=published.horizons,
        horizons=undated,
        model_version=examples.VERSION,
        calibrated=True,
        source="yahoo",
        width_ratio=1.35,
    )


def _build_examples() -> dict[str, Any]:
    risk = {"positions": {"SPY": 10000, "IWM": -5000}}
    probability = {"ticker": "SPY", "below": 445, "date": "2026-11-27", "touch": True}
    what_if = {"ticker": "SPY", "return": -0.03, "range": 0.04}
    view = _view()
    values = {
        "riskAsked": ("Long SPY, short IWM, in dollars", risk),
        "riskSaid": ("What it can lose", answer_risk(view, msgspec.convert(risk, RiskRequest))),
        "probabilityAsked": ("A close under 445 until Friday", probability),
        "probabilitySaid": (
            "How likely it is",
            answer_probability(view, msgspec.convert(probability, ProbabilityRequest)),
        ),
        "whatIfAsked": ("A fall of 3 %", what_if),
        "whatIfSaid": ("The forecast from there", _assume()),
    }
    return {
        name: {"summary": summary, "value": _shorten(msgspec.to_builtins(value))}
        for name, (summary, value) in values.items()
    }


def _shorten(value: Any) -> Any:
    """Return a document whose numbers are short, and so the same on every processor."""
    if isinstance(value, dict):
        return {name: _shorten(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_shorten(each) for each in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


QUESTION_EXAMPLES = _build_examples()
