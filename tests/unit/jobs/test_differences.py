"""What an object says otherwise, in words."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from pipeline.adapters.parquet.parquet_tables import ParquetTables
from pipeline.forecasting.model import Model
from pipeline.jobs.differences import describe_difference
from tests.support.records import SESSIONS, run_days

TABLES = ParquetTables()
KEY = f"forecasts/month=2024-12/{SESSIONS[-1]}.00.parquet"


@pytest.fixture(scope="module")
def expected(model: Model) -> bytes:
    return run_days(model, SESSIONS[-1:]).objects[KEY]


def described(expected: bytes, change: Any) -> str:
    columns, _ = TABLES.decode("forecasts", expected)
    table = {name: column.copy() for name, column in columns.items()}
    return describe_difference(
        TABLES, KEY, expected, TABLES.encode("forecasts", change(table) or table, {})
    )


def test_a_number_is_named_by_column_and_row(expected: bytes) -> None:
    def change(table: dict[str, Any]) -> None:
        table["sigma"][[6, 7]] = 0.5

    assert described(expected, change).startswith("sigma of QQQ 2: expected 0.0")
    assert described(expected, change).endswith("got 0.5; so in 2 of 10 rows")


def test_a_null_is_no_number_but_equals_a_null(expected: bytes) -> None:
    def change(table: dict[str, Any]) -> None:
        table["sigma"][3] = np.nan

    assert "sigma of SPY 4" in described(expected, change)
    columns = {**TABLES.decode("forecasts", expected)[0], "last_close": np.full(10, np.nan)}
    nulls, other = (
        TABLES.encode("forecasts", {**columns, "sigma": columns["sigma"] * factor}, {})
        for factor in (1, 2)
    )
    assert describe_difference(TABLES, KEY, nulls, other).startswith("sigma of SPY 1")


def test_rows_that_are_too_few_are_counted(expected: bytes) -> None:
    def change(table: dict[str, Any]) -> Any:
        return {name: values[:-1] for name, values in table.items()}

    assert described(expected, change) == "expected 10 rows, got 9"


def test_words_beside_a_table_are_named(expected: bytes) -> None:
    columns, _ = TABLES.decode("forecasts", expected)
    got = TABLES.encode("forecasts", columns, {"note": "honest"})
    assert describe_difference(TABLES, KEY, expected, got) == (
        "metadata.note: expected no entry, got honest"
    )


@pytest.mark.parametrize(
    ("expected", "got", "words"),
    [
        ({"a": {"b": [1, 2]}}, {"a": {"b": [1, 3]}}, "a.b[1]: expected 2, got 3"),
        ({"a": 1}, {}, "a: expected an entry, got none"),
        ({}, {"a": 1}, "a: expected no entry, got 1"),
        ({"a": [1]}, {"a": [1, 2]}, "a: expected [1], got [1, 2]"),
        ({"a": "x" * 99}, {"a": 1}, f"a: expected {'x' * 60}..., got 1"),
        ({"a": None}, {"a": {}}, "a: expected None, got {}"),
    ],
)
def test_what_a_document_says_is_named_by_its_path(expected: Any, got: Any, words: str) -> None:
    data = [json.dumps(document).encode() for document in (expected, got)]
    assert describe_difference(TABLES, "runs/x.json", *data) == words


@pytest.mark.parametrize(
    ("key", "got", "words"),
    [
        (KEY, None, "found none"),
        (KEY, b"no table", "expected a readable object: forecasts: expected a whole Parquet"),
        ("runs/x.json", b"{", "expected a readable object"),
        ("runs/x.json", b"\xff", "expected a readable object"),
        ("runs/x.json", b"[" * 100_000, "expected a readable object"),
        ("runs/x.json", b" {}", "equal values in other bytes"),
        ("bundles/x/model.onnx", b"x", "expected other bytes"),
    ],
)
def test_what_cannot_be_compared_is_said(
    expected: bytes, key: str, got: bytes | None, words: str
) -> None:
    right = expected if key == KEY else b"{}"
    assert words in describe_difference(TABLES, key, right, got)
