"""The OpenAPI document, from the types that requests are read by: `make openapi` writes it."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from handlers.http import openapi_examples as examples
from handlers.http.openapi_problems import PROBLEMS
from handlers.http.openapi_questions import QUESTION_EXAMPLES, QUESTION_TYPES, build_questions
from handlers.http.openapi_refs import example_refs, problem_refs, schema_ref
from handlers.http.problems import MEDIA_TYPE, Problem
from handlers.http.responses import HTML, JSON
from handlers.http.routes import OPENAPI, Health
from pipeline.serving.answers import PredictAnswer
from pipeline.serving.requests import TICKER, BarsRequest, DataRequest, TickerRequest
from pipeline.views.documents import Latest

DESCRIPTION = """\
Distributions of the next five closes: a median and prediction intervals of 50, 80, 90, 95 and 98 %.

Errors are problem details (RFC 9457): `code` names the kind, `errors` the field by its JSON
pointer. A key goes into the header `X-API-Key`; to what is only read a browser sends it as the
password of HTTP Basic. Every GET answers HEAD too and has an ETag; every path answers OPTIONS, from
any origin. While the store does not answer, what was read of it before is served with
`"store_unavailable": true` and the headers Age and Cache-Status.
"""
AGE = "Seconds since it was read, where the store does not answer now; there is no ETag then"
READ_BY: list[dict[str, list[str]]] = [{"ApiKey": []}, {"Browser": []}]  # a password is the key too
REQUESTS = (DataRequest, BarsRequest, TickerRequest)
ANSWERS = (PredictAnswer, Latest, Health, Problem)


def document() -> dict[str, Any]:
    """Return the document."""
    _, schemas = msgspec.json.schema_components(
        (*REQUESTS, *ANSWERS, *QUESTION_TYPES), ref_template="#/components/schemas/{name}"
    )
    schemes = {
        "ApiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        "Browser": {"type": "http", "scheme": "basic"},
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "financial-forecaster", "version": "1", "description": DESCRIPTION},
        "servers": [{"url": "/"}],
        "security": [{"ApiKey": []}],
        "paths": _paths(),
        "components": {
            "schemas": schemas,
            "securitySchemes": schemes,
            "examples": _examples() | QUESTION_EXAMPLES,
            "responses": {f"Problem{status}": _problem(status) for status in PROBLEMS},
        },
    }


def to_text(value: Any) -> str:
    """Return indented JSON with each row of numbers on one line."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    flat = re.sub(r"\[\s+([^\[\]{}]*?)\s+\]", lambda row: f"[{' '.join(row[1].split())}]", text)
    return flat + "\n"


def main() -> None:
    """Write the document to where it is served from."""
    OPENAPI.write_bytes(to_text(document()).encode())


def _paths() -> dict[str, Any]:
    forecast, newest = examples.predicted(of_ticker=True), examples.latest()
    ticker = {"name": "ticker", "in": "path", "required": True, "example": "SPY"}
    ticker["schema"] = {"type": "string", "pattern": TICKER}
    return {
        "/predict": {
            "post": _predict("predict", "Forecast from a window, from bars or of a ticker")
        },
        **{path: {"post": operation} for path, operation in build_questions().items()},
        "/": {
            "get": _get("dashboard", "The page of the record", None, "<!doctype html>", HTML),
            "post": _predict("predictAtRoot", "The same as POST /predict"),
        },
        "/forecasts": {"get": _get("forecasts", "The newest session's forecasts", Latest, newest)},
        "/forecasts/{ticker}": {
            "parameters": [ticker],
            "get": _get("forecast", "The newest forecast of a ticker", PredictAnswer, forecast),
        },
        "/track-record": {"get": _get("trackRecord", "How forecasts and baselines have scored")},
        "/health": {
            "get": _open(_get("health", "A sign of life", Health, Health("ok", examples.VERSION)))
        },
        "/openapi.json": {"get": _open(_get("openapi", "This document"))},
    }


def _predict(name: str, summary: str) -> dict[str, Any]:
    body = {
        "schema": {"oneOf": [schema_ref(kind) for kind in REQUESTS]},
        "examples": example_refs("ticker", "data", "bars"),
    }
    answer = {
        "schema": schema_ref(PredictAnswer),
        "examples": example_refs("published", "computed"),
    }
    return {
        "operationId": name,
        "summary": summary,
        "requestBody": {"required": True, "content": {JSON: body}},
        "responses": {
            "200": {"description": "The forecast", "content": {JSON: answer}},
            **problem_refs(400, 401, 403, 404, 413, 415, 422, 503),
        },
    }


def _get(
    name: str, summary: str, kind: type | None = None, example: Any = None, media: str = JSON
) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": schema_ref(kind) if kind else {"type": "object"}}
    if media == HTML:
        content["schema"] = {"type": "string"}
    if example is not None:
        content["example"] = msgspec.to_builtins(example)
    etag = {"schema": {"type": "string"}, "description": "For If-None-Match"}
    age = {"schema": {"type": "integer"}, "description": AGE}
    return {
        "operationId": name,
        "summary": summary,
        "security": READ_BY,
        "responses": {
            "200": {
                "description": summary,
                "headers": {"ETag": etag, "Age": age},
                "content": {media: content},
            },
            "304": {"description": "Not changed since the ETag in If-None-Match"},
            **problem_refs(401, 403, 404, 503),
        },
    }


def _open(operation: dict[str, Any]) -> dict[str, Any]:
    responses = {status: operation["responses"][status] for status in ("200", "304")}
    return {**operation, "security": [], "responses": responses}


def _problem(status: int) -> dict[str, Any]:
    description, error = PROBLEMS[status]
    content = {"schema": schema_ref(Problem), "example": examples.problem(error)}
    response: dict[str, Any] = {"description": description, "content": {MEDIA_TYPE: content}}
    if status == 503:
        seconds = {"schema": {"type": "integer"}, "description": "Seconds to wait"}
        response["headers"] = {"Retry-After": seconds}
    return response


def _examples() -> dict[str, Any]:
    bars, vix = examples.bars(), examples.vix()
    values = {
        "ticker": ("What is published of a ticker", {"ticker": "SPY"}),
        "data": ("A window of 60 x 12", {"data": examples.window()}),
        "bars": ("Raw bars, calibrated as SPY", {"bars": bars, "vix": vix, "ticker": "SPY"}),
        "published": ("A published forecast", examples.predicted(of_ticker=True)),
        "computed": ("The answer to a window", examples.predicted(of_ticker=False)),
    }
    return {
        name: {"summary": summary, "value": msgspec.to_builtins(value)}
        for name, (summary, value) in values.items()
    }


if __name__ == "__main__":
    main()
