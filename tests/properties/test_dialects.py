"""Any bars written in any dialect read back equal or are refused as ambiguous, never different."""

from __future__ import annotations

import tempfile
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.adapters.bar_folder.folder_bars import FolderBars
from pipeline.bars import PRICES, RawBars
from pipeline.ports import Reading
from tests.support.dialects import WRITERS, Write, read_plainly, write_excel, write_yahoo

FIRST, LAST = date(1990, 1, 1), date(2049, 12, 31)
AMBIGUOUS = ("can be read both ways", "no other number of the file says which")
MANY = settings(max_examples=40, deadline=None)


def read(text: str) -> Reading:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "SPY.csv").write_bytes(text.encode())
        return FolderBars(Path(folder)).read(["SPY"], FIRST, LAST)


@st.composite
def any_bars(draw: st.DrawFn, digits: int) -> RawBars:
    """Draw bars of consecutive weekdays at prices of any size, of so many digits."""
    n = draw(st.integers(1, 30))
    start = draw(st.dates(date(1995, 1, 1), date(2028, 1, 1)))
    days = np.busday_offset(np.datetime64(start), np.arange(n), roll="forward")
    level = draw(st.sampled_from([0.9, 12, 99, 998, 1234, 40_000, 1_200_000]))
    unit = 10**digits
    middle = np.array([level * unit + draw(st.integers(0, 40 * unit)) for _ in range(n)], float)
    spread = np.array([draw(st.integers(0, 3 * unit)) for _ in range(n)], float)
    low = np.maximum(middle.round() - spread.round(), 1.0)
    prices = {"open": low, "high": middle.round() + spread, "low": low, "close": middle.round()}
    volume = np.array([draw(st.integers(1, 90_000)) * 10_000 for _ in range(n)], float)
    none = np.zeros(n)
    scaled = {name: (values / unit).round(digits) for name, values in prices.items()}
    return RawBars("SPY", days, **scaled, volume=volume, dividend=none, split=none)


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)
@MANY
@given(data=st.data())
def test_bars_read_back_equal_or_are_refused_as_ambiguous(
    write: Write, data: st.DataObject
) -> None:
    digits = data.draw(st.sampled_from([0, 2, 2, 3, 4]))
    bars = data.draw(any_bars(digits))
    reading = read(write(bars, digits))
    if reading.failures:
        said = str(reading.failures["SPY"])
        assert any(words in said for words in AMBIGUOUS), said
        assert write is not write_yahoo
        return
    back = reading.bars["SPY"]
    np.testing.assert_array_equal(back.session, bars.session)
    for name in PRICES:
        np.testing.assert_array_equal(getattr(back, name), getattr(bars, name), err_msg=name)
    if back.volume.any():
        np.testing.assert_array_equal(back.volume, bars.volume)


@MANY
@given(data=st.data())
def test_days_on_both_sides_of_the_twelfth_are_never_ambiguous(data: st.DataObject) -> None:
    bars = data.draw(any_bars(2).filter(lambda bars: len(bars) > 14))
    failures = read(write_excel(bars, 2)).failures
    assert not failures or AMBIGUOUS[1] in str(failures["SPY"])


days = st.sampled_from(
    ["2024-12-27", "2024-12-30", "2025-01-02 00:00:00-05:00", '"2025-01-03"', "x", ""]
)
cells = st.sampled_from(
    [
        *("1", " 1 ", "1e3", "inf", "-inf", "nan", "NULL", "", " ", "+1", "1.", ".5", "-0", "1E-5"),
        *('"1"', '"1\n"', '""', "1.234", "1234.5678", "0.1", "1e999", "9" * 30, "1_0", "٣", "0x1"),
    ]
)


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(st.tuples(days, *[cells] * 5), max_size=4),
    blank=st.sampled_from(["\n", "\r\n", "\n\n", "\r"]),
)
def test_a_plain_file_is_read_as_python_reads_it(rows: list[tuple[str, ...]], blank: str) -> None:
    text = blank.join(["Date,Open,High,Low,Close,Volume", *(",".join(row) for row in rows)])
    try:
        expected, numbers = read_plainly(text)
    except ValueError:
        return
    got = read(text).bars["SPY"]
    order = slice(None)
    if len(expected) > 1 and sorted(expected, reverse=True) == expected != sorted(expected):
        order = slice(None, None, -1)  # newest first is turned round
    assert got.session.tolist() == expected[order]
    for name, values in numbers.items():
        np.testing.assert_array_equal(getattr(got, name.lower()), values[order], err_msg=name)


TOKENS = [
    "",
    "\n",
    ",",
    ";",
    '"',
    "\t",
    "nan",
    "1,234",
    "9" * 400,
    "Date",
    "1/2/3",
    "\r",
    "٣",
    "Ticker",
]


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_damage_to_a_file_ends_a_reading(write: Write, data: st.DataObject) -> None:
    text = write(data.draw(any_bars(2)), 2)
    for _ in range(data.draw(st.integers(1, 4))):
        at, cut = (
            data.draw(st.integers(0, len(text))),
            data.draw(st.sampled_from([0, 1, 3, 40, 400])),
        )
        new = data.draw(st.sampled_from(TOKENS) | st.text(st.characters(codec="utf-8"), max_size=5))
        text = text[:at] + new + text[at + cut :]
    reading = read(text)
    assert {*reading.bars, *reading.failures} == {"SPY"}
    for error in reading.failures.values():
        assert str(error).startswith(("SPY.csv: ", "SPY: "))
