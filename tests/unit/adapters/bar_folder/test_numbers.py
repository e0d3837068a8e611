"""Numbers: the whole file decides what a comma is, and says so where it does not."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from pipeline.adapters.bar_folder.numbers import read_numbers, read_plain_numbers

NAMES = ("Open", "High", "Low", "Close", "Volume")


def columns(*rows: str) -> dict[str, object]:
    cells = zip(*(row.split("|") for row in rows), strict=True)
    return {
        name: pa.chunked_array([pa.array(column, pa.string())])
        for name, column in zip(NAMES, cells, strict=False)
    }


def read(*rows: str, point: bool = False) -> tuple[list[list[float]], str]:
    numbers, words = read_numbers(columns(*rows), "row {}".format, point=point)
    return np.array([*numbers.values()]).T.tolist(), words


@pytest.mark.parametrize(
    ("rows", "numbers", "words"),
    [
        (["1.5|2|1|1.5|10"], [1.5, 2, 1, 1.5, 10], ""),
        (["1|2|1|1|1e3"], [1, 2, 1, 1, 1000], ""),
        (["+1|2.|.5|1|1"], [1, 2, 0.5, 1, 1], ""),
        (
            ["1,234.5|1,300|1,200|1,250|1,000,000"],
            [1234.5, 1300, 1200, 1250, 1e6],
            "commas between thousands",
        ),
        (
            ["1.234,5|1.300|1.200|1.250|1.000.000"],
            [1234.5, 1300, 1200, 1250, 1e6],
            "decimal comma, points between thousands",
        ),
        (["1,5|2|1|1,5|10"], [1.5, 2, 1, 1.5, 10], "decimal comma"),
        (
            ["1 234.5|1'300|1\u00a0200|1\u202f250|7"],
            [1234.5, 1300, 1200, 1250, 7],
            "spaces or ' between thousands",
        ),
        (
            ["1 234,5|1 300|1 200|1 250|7"],
            [1234.5, 1300, 1200, 1250, 7],
            "decimal comma, spaces or ' between thousands",
        ),
        (["$1.5|$ 2|1 €|£1.25|1.23M"], [1.5, 2, 1, 1.25, 1_230_000], ""),
        (["1|1|1|1|85.2k"], [1, 1, 1, 1, 85_200], ""),
        (["1|1|1|1|2B"], [1, 1, 1, 1, 2e9], ""),
        # A volume with two commas says that a price with one has thousands.
        (
            ["1,234|1,300|1,200|1,250|1,000,000"],
            [1234, 1300, 1200, 1250, 1e6],
            "commas between thousands",
        ),
        # 999 is no low of 1.005, but of 1005.
        (["1,005|1,010|999|1,001|7"], [1005, 1010, 999, 1001, 7], "commas between thousands"),
        (
            ["1.005|1.010|999|1.001|7"],
            [1005, 1010, 999, 1001, 7],
            "decimal comma, points between thousands",
        ),
        # No thousands begin with a nought.
        (["0.123|0.130|0.120|0.125|7"], [0.123, 0.13, 0.12, 0.125, 7], ""),
        (["1234.567|1234.567|1234.567|1234.567|7"], [1234.567] * 4 + [7], ""),
    ],
)
def test_a_file_says_how_it_writes_numbers(
    rows: list[str], numbers: list[float], words: str
) -> None:
    assert read(*rows) == ([numbers], words)


@pytest.mark.parametrize(
    ("row", "both"),
    [
        ("1,234|1,300|1,200|1,250|7", "'1,234' may be 1234 or 1.234"),
        ("1.234|1.300|1.200|1.250|7", "'1.234' may be 1.234 or 1234"),
        ("12|13|11|12|1,234", "row 0, Volume: '1,234' may be 1234 or 1.234"),
    ],
)
def test_numbers_that_can_be_read_both_ways_are_refused_with_both(row: str, both: str) -> None:
    with pytest.raises(ValueError, match="no other number of the file says which; write") as error:
        read(row)
    assert both in str(error.value)


def test_a_program_writes_a_point() -> None:
    assert read("1.234|1.300|1.200|1.250|7", point=True) == ([[1.234, 1.3, 1.2, 1.25, 7]], "")
    with pytest.raises(ValueError, match="row 0, Open: expected a number, got '1,5'"):
        read("1,5|2|1|1|7", point=True)


@pytest.mark.parametrize("hole", ["", "-", "N/A", "null", "NaN", "--", "#N/A"])
def test_holes_are_holes(hole: str) -> None:
    numbers, _ = read(f"1|1|1|{hole}|{hole}", "1|1|1|1|1")
    assert np.isnan(numbers[0][3:]).all()


@pytest.mark.parametrize(
    "odd", ["x1", "1_0", "1.2.3", "1,23,4.5", "12,34.5", "٣", "1e", "--5", "$", "5%", "K", "inf"]
)
def test_what_is_no_number_is_named_with_its_row(odd: str) -> None:
    with pytest.raises(ValueError) as error:
        read("1.5|2.5|1|1.5|7", f"1.5|{odd}|1|1.5|7")
    assert str(error.value) == f"row 1, High: expected a number, got {odd!r}"


def test_a_plain_file_has_a_point_whatever_else_it_could_be() -> None:
    cells = columns("1.234|1.300|1.200|1.250|7")
    numbers, words = read_plain_numbers(cells, "row {}".format)
    assert (numbers["Open"].tolist(), words) == ([1.234], "")
    quoted = columns("1,234.5|1,300.5|1,200|1,250|7")
    assert read_plain_numbers(quoted, "row {}".format)[1] == "commas between thousands"
