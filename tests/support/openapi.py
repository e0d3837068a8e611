"""The OpenAPI document as a judge of what the function answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

DOCUMENT = json.loads(
    (Path(__file__).resolve().parents[2] / "handlers" / "http" / "openapi.json").read_text()
)
PREDICT = DOCUMENT["paths"]["/predict"]["post"]


def request_schema() -> Mapping[str, Any]:
    """Return what a body of POST /predict must be."""
    schema: Mapping[str, Any] = PREDICT["requestBody"]["content"]["application/json"]["schema"]
    return schema


def assert_valid(value: Any, schema: Mapping[str, Any]) -> None:
    """Fail unless a value is as a schema of the document says."""
    _validator(json.dumps(schema)).validate(value)


def assert_documented(answer: Mapping[str, Any], operation: Mapping[str, Any] = PREDICT) -> Any:
    """Fail unless an answer is one of the operation's, without NaN; return what it says."""
    response = operation["responses"][str(answer["statusCode"])]
    if "$ref" in response:
        response = DOCUMENT["components"]["responses"][response["$ref"].rpartition("/")[2]]
    ((media, content),) = response["content"].items()
    assert answer["headers"]["content-type"] == media
    said = json.loads(answer["body"], parse_constant=_refuse)
    assert_valid(said, content["schema"])
    return said


@cache
def _validator(schema: str) -> Draft202012Validator:
    return Draft202012Validator({**json.loads(schema), "components": DOCUMENT["components"]})


def _refuse(constant: str) -> Any:
    raise AssertionError(f"expected a number in JSON, got {constant}")
