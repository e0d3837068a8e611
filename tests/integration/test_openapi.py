"""The OpenAPI document says what is so."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import numpy as np
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from handlers.http import openapi_build
from handlers.http.problems import MEANINGS, TITLES
from handlers.http.routes import OPENAPI
from pipeline.serving.requests import parse_request
from tests.support.builders import latest_view
from tests.support.openapi import DOCUMENT, assert_valid, request_schema

NUMBER = re.compile(r"(?<=[ \[])-?\d+\.\d+(?:e-?\d+)?(?=[,\n])")
EXAMPLES = DOCUMENT["components"]["examples"]


def test_the_document_in_the_repository_is_the_one_the_code_makes() -> None:
    kept, made = OPENAPI.read_text("utf-8"), openapi_build.to_text(openapi_build.document())
    stale = "stale: make openapi writes it anew"
    assert NUMBER.sub("0", kept) == NUMBER.sub("0", made), stale
    # Of what a model answers another processor may have another last digit.
    numbers = ([float(text) for text in NUMBER.findall(each)] for each in (kept, made))
    np.testing.assert_allclose(*numbers, rtol=1e-5, err_msg=stale)


def test_it_is_openapi_3_1() -> None:
    assert list(OpenAPIV31SpecValidator(DOCUMENT).iter_errors()) == []


@pytest.mark.parametrize("name", ["ticker", "data", "bars"])
def test_an_example_of_a_request_is_one(name: str) -> None:
    value = EXAMPLES[name]["value"]
    assert_valid(value, request_schema())
    assert parse_request(msgspec.json.encode(value))


@pytest.mark.parametrize("name", ["published", "computed"])
def test_an_example_of_an_answer_is_one(name: str) -> None:
    assert_valid(EXAMPLES[name]["value"], {"$ref": "#/components/schemas/PredictAnswer"})


def contents() -> list[tuple[str, Any]]:
    operations = [
        (f"{method} {path}", operation)
        for path, item in DOCUMENT["paths"].items()
        for method, operation in item.items()
        if method in ("get", "post")
    ]
    found = [
        (f"{name} {status}", content)
        for name, operation in operations
        for status, response in operation["responses"].items()
        for content in response.get("content", {}).values()
    ]
    responses = DOCUMENT["components"]["responses"].items()
    return found + [(name, c) for name, one in responses for c in one["content"].values()]


@pytest.mark.parametrize("content", [pytest.param(c, id=name) for name, c in contents()])
def test_every_example_is_what_its_schema_says(content: Any) -> None:
    if "example" in content:
        assert_valid(content["example"], content["schema"])


def test_every_problem_is_documented() -> None:
    # 405 is for who reads no document; 500 should never be seen.
    documented = {int(name.removeprefix("Problem")) for name in DOCUMENT["components"]["responses"]}
    assert documented | {405, 500} == set(TITLES)
    assert {meaning.status for meaning in MEANINGS.values()} - {500} <= documented


def test_a_view_of_the_store_is_what_the_document_says() -> None:
    assert_valid(latest_view(), {"$ref": "#/components/schemas/Latest"})
