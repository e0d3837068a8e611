"""Days: the whole file decides what comes first, and says so where it does not."""

from __future__ import annotations

import pyarrow as pa
import pytest

from pipeline.adapters.bar_folder.days import read_days


def read(*cells: str) -> tuple[list[str], str]:
    days, words = read_days(pa.chunked_array([pa.array(cells, pa.string())]), "row {}".format)
    return [str(day) for day in days], words


@pytest.mark.parametrize(
    ("cells", "days", "words"),
    [
        (["2024-12-27", "2024-12-30 00:00:00-05:00"], ["2024-12-27", "2024-12-30"], "YYYY-MM-DD"),
        (["20241227"], ["2024-12-27"], "YYYYMMDD"),
        (["2024/12/27"], ["2024-12-27"], "YYYY/M/D"),
        (["1/2/2024", "1/13/2024"], ["2024-01-02", "2024-01-13"], "M/D/YYYY"),
        (["2/1/2024", "13/1/2024"], ["2024-01-02", "2024-01-13"], "D/M/YYYY"),
        (["27.12.2024"], ["2024-12-27"], "D.M.YYYY"),
        (["27-12-2024"], ["2024-12-27"], "D-M-YYYY"),
        (["12/27/24"], ["2024-12-27"], "M/D/YY"),
        (["12/27/69", "12/27/70"], ["2069-12-27", "1970-12-27"], "M/D/YY"),
        (
            ["27/12/24", "30/12/24", "02/01/25"],
            ["2024-12-27", "2024-12-30", "2025-01-02"],
            "D/M/YY",
        ),
        (
            ["24/12/27", "24/12/30", "25/01/02"],
            ["2024-12-27", "2024-12-30", "2025-01-02"],
            "YY/M/D",
        ),
        (["12/27/2024 16:00:00"], ["2024-12-27"], "M/D/YYYY"),
        (["Dec 27, 2024", "Jan. 2, 2025"], ["2024-12-27", "2025-01-02"], "Mon D, YYYY"),
        (["27-Dec-2024"], ["2024-12-27"], "D Mon YYYY"),
        (["27-DEC-24"], ["2024-12-27"], "D Mon YY"),
        (["1/1/2024", "2/2/2024"], ["2024-01-01", "2024-02-02"], "M/D/YYYY"),  # either way the same
        ([], [], "YYYY-MM-DD"),
    ],
)
def test_a_file_says_how_it_writes_days(cells: list[str], days: list[str], words: str) -> None:
    assert read(*cells) == (days, words)


@pytest.mark.parametrize(
    ("cells", "both"),
    [
        (
            ["3/3/2024", "3/4/2024", "3/5/2024"],
            "'3/4/2024' is 2024-03-04 as M/D/YYYY and 2024-04-03",
        ),
        (["01.02.2024"], "'01.02.2024' is 2024-01-02 as M.D.YYYY and 2024-02-01 as D.M.YYYY"),
        (["24/12/27"], "'24/12/27' is 2027-12-24 as D/M/YY and 2024-12-27 as YY/M/D"),
        (["1/2/24", "1/3/24"], "'1/2/24' is 2024-01-02 as M/D/YY and 2024-02-01 as D/M/YY"),
    ],
)
def test_days_that_can_be_read_both_ways_are_refused_with_both(cells: list[str], both: str) -> None:
    with pytest.raises(
        ValueError, match="can be read both ways; write the days as YYYY-MM-DD"
    ) as e:
        read(*cells)
    assert both in str(e.value)


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (["13/01/2024", "01/13/2024"], "row 1, Date: expected D/M/YYYY, got '01/13/2024'"),
        (["12/27/2024", "12-30-2024"], "row 1, Date: expected M/D/YYYY, got '12-30-2024'"),
        (["2024-12-27", "12/30/2024"], "row 1, Date: expected YYYY-MM-DD, got '12/30/2024'"),
        (["2024-02-30"], "row 0, Date: expected YYYY-MM-DD, got '2024-02-30'"),
        (["31.04.2024"], "row 0, Date: expected"),
        (["0/13/2024"], "row 0, Date: expected"),
        (["Abc 27, 2024"], "row 0, Date: expected Mon D, YYYY, got 'Abc 27, 2024'"),
        (["2024-12-2٣"], "row 0, Date: expected YYYY-MM-DD"),
        ([""], "row 0, Date: expected YYYY-MM-DD, got ''"),
    ],
)
def test_what_is_no_day_is_named_with_its_row(cells: list[str], said: str) -> None:
    with pytest.raises(ValueError) as error:
        read(*cells)
    assert str(error.value).startswith(said)
