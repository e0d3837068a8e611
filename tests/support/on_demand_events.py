"""What the tests of the on-demand function ask, and how they read what it says."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.support.builders import bars, window_rows

ROOT = Path(__file__).resolve().parents[2]
BARS = bars()
WINDOW = {"data": window_rows(BARS)}
KEY, OTHER_KEY = "fcast_of-a-test", "fcast_of-another"
ColdStart = Callable[..., Any]


def said(answer: Mapping[str, Any]) -> Any:
    return json.loads(answer["body"])


def assert_problem(answer: Mapping[str, Any], status: int, code: str, *words: str) -> Any:
    assert answer["statusCode"] == status, answer
    assert answer["headers"]["content-type"] == "application/problem+json"
    problem = said(answer)
    assert (problem["status"], problem["code"]) == (status, code)
    for word in words:
        assert word in problem["detail"]
    return problem


def logged(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]
