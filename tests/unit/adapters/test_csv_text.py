"""CSV that a spreadsheet opens as what it is, whatever its texts begin with."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pytest

from pipeline.adapters.csv_text import escape_text, write_csv


def lines_of(**columns: Any) -> list[str]:
    out = io.StringIO()
    write_csv(columns, out)
    return out.getvalue().splitlines()


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@SUM(A1)", "=cmd|' /C calc'!A0", " =1+1", '=HYPERLINK("http://x")'],
)
def test_no_text_is_a_formula(text: str) -> None:
    assert escape_text(text) == f"'{text}"
    (cell,) = lines_of(ticker=np.array([text], object))[1:]
    assert cell.lstrip('"').startswith("'")


@pytest.mark.parametrize("text", ["\t=1+1", "\r=1+1", "\n=1+1", "a\n=1+1"])
def test_a_text_with_line_ends_is_one_line_and_no_formula(text: str) -> None:
    lines = lines_of(ticker=np.array([text], object))
    assert len(lines) == 2
    assert not lines[1].lstrip('"').startswith(("=", "\t", "\r"))


@pytest.mark.parametrize("text", ["SPY", "^VIX", "BRK-B", "GC=F", "withheld:stale", ""])
def test_what_is_no_formula_stays_as_it_is(text: str) -> None:
    assert escape_text(text) == text


def test_a_negative_number_is_a_number_and_keeps_all_its_digits() -> None:
    assert lines_of(error=np.array([-0.0123456789, 1e-10, 3.0]))[1:] == [
        "-0.0123456789",
        "1e-10",
        "3.0",
    ]


def test_what_is_missing_is_empty_and_flags_are_what_spreadsheets_call_them() -> None:
    rows = lines_of(
        price=np.array([np.nan, 1.5]),
        status=np.array([None, "ok"], object),
        inside=np.array([True, False]),
        horizon=np.array([1, 2], np.int32),
    )
    assert rows[1:] == [",,TRUE,1", "1.5,ok,FALSE,2"]


def test_days_and_moments_are_written_as_spreadsheets_read_them() -> None:
    moments = [datetime(2025, 6, 30, 20, 30, tzinfo=UTC), datetime(2025, 6, 30, 20, 30, 0, 84000)]
    rows = lines_of(
        day=np.array([date(2025, 6, 30)] * 2, "datetime64[D]"),
        at=np.array([moment.replace(tzinfo=None) for moment in moments], "datetime64[ms]"),
    )
    assert rows[1:] == ["2025-06-30,2025-06-30 20:30:00", "2025-06-30,2025-06-30 20:30:00.084"]


def test_a_table_without_rows_has_its_names() -> None:
    assert lines_of(ticker=np.array([], object), error=np.array([])) == ["ticker,error"]
