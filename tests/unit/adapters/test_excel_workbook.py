"""Workbooks: what a text begins with makes no formula of it."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

from pipeline.errors import ConfigError

openpyxl = pytest.importorskip("openpyxl", reason="expected openpyxl: pip install -e '.[desk]'")


def read_back(**columns: Any) -> Any:
    """Return the workbook of a table."""
    from pipeline.adapters.excel_workbook import write_workbook

    out = io.BytesIO()
    write_workbook(columns, "scores", {"source": "=1+1"}, out)
    return openpyxl.load_workbook(out)


@pytest.mark.parametrize("text", ["=1+1", "=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "#N/A"])
def test_a_text_is_a_text(text: str) -> None:
    book = read_back(ticker=np.array([text], object))
    cell = book["scores"]["A2"]
    assert (cell.value, cell.data_type) == (text, "s")
    assert book["notes"]["B1"].data_type == "s"


def test_a_name_of_a_column_is_a_text() -> None:
    assert read_back(**{"=1+1": np.array([1.0])})["scores"]["A1"].data_type == "s"


def test_control_characters_are_escaped() -> None:
    assert read_back(t=np.array(["a\x1b[2Jb"], object))["scores"]["A2"].value == "a\\x1b[2Jb"


def test_numbers_flags_and_holes_are_what_they_are() -> None:
    sheet = read_back(price=np.array([np.nan, -1.5]), inside=np.array([True, False]))["scores"]
    assert [cell.value for cell in sheet["A"]] == ["price", None, -1.5]
    assert [cell.value for cell in sheet["B"]] == ["inside", True, False]


def test_more_rows_than_a_sheet_has_are_refused() -> None:
    from pipeline.adapters.excel_workbook import MOST_ROWS, write_workbook

    assert MOST_ROWS == 1_048_576
    rows = {"error": np.zeros(MOST_ROWS)}
    with pytest.raises(ConfigError, match="at most 1,048,575 rows.*got 1,048,576.*parquet"):
        write_workbook(rows, "scores", {}, io.BytesIO())


def test_prices_are_numbers_that_are_shown_as_prices() -> None:
    prices = np.array([38512.5, 0.00001234, np.nan])
    names = ("last_close", "prediction", "realised_close", "lower_95", "upper_98")
    sheet = read_back(ticker=np.array(["A"] * 3, object), **dict.fromkeys(names, prices))["scores"]
    for column in sheet.iter_cols(min_col=2, min_row=2):
        assert [cell.value for cell in column] == [38512.5, 0.00001234, None]
        assert {cell.number_format for cell in column[:2]} == {"[>=1]#,##0.00;0.00######"}
    others = read_back(crps=prices, horizon=prices)["scores"]
    assert {cell.number_format for row in others.iter_rows(min_row=2) for cell in row} == {
        "General"
    }
