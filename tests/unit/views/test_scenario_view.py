"""scenarios.bin says all that questions are answered from, and damage is an error that says so."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.bars import VIX
from pipeline.errors import StoreError
from pipeline.views.scenario_view import BAR_COLUMNS, ScenarioView, parse_scenarios
from tests.support.scenarios import cube, view

NONE = cube((), last_close=np.zeros(0), log_return=np.zeros((0, 0, 5), np.float32))
SMALL = view(cube(n=7)).encode()


@pytest.mark.parametrize(
    "shown",
    [view(), view(cube(n=3), bars={}), view(NONE), view(cube(n=3), independent=("QQQ", "SPY"))],
    ids=["whole", "no bars", "empty", "independent"],
)
def test_what_is_read_is_what_was_written(shown: ScenarioView) -> None:
    read = parse_scenarios(shown.encode())
    assert read.encode() == shown.encode()
    assert np.array_equal(read.cube.log_return, shown.cube.log_return)
    for name in ("tickers", "origin_date", "target_dates"):
        assert getattr(read.cube, name) == getattr(shown.cube, name)
    assert read.cube.last_close.tolist() == shown.cube.last_close.tolist()
    assert (read.source, read.absent) == (shown.source, shown.absent)
    assert read.independent == shown.independent
    assert read.bars.keys() == shown.bars.keys()
    for symbol, bars in read.bars.items():
        for name in ("session", *BAR_COLUMNS):
            assert np.array_equal(getattr(bars, name), getattr(shown.bars[symbol], name))


def test_it_has_four_bytes_a_number_and_a_short_head() -> None:
    tickers = ("DIA", "IWM", "QQQ", "SPY")
    size = len(view(cube(tickers)).encode())
    assert size - 4 * 5 * 1000 * 4 - 5 * 126 * 6 * 8 < 600
    assert VIX in view().bars


@given(at=st.floats(0, 1, exclude_max=True), to=st.binary(max_size=3), cut=st.integers(0, 3))
def test_damage_is_refused_or_means_numbers(at: float, to: bytes, cut: int) -> None:
    place = int(at * len(SMALL))
    try:
        read = parse_scenarios(SMALL[:place] + to + SMALL[place + cut :])
    except StoreError as exc:
        assert str(exc).startswith("scenarios.bin: expected ")
    else:
        assert np.isfinite(read.cube.log_return).all()


@pytest.mark.parametrize(
    "changed",
    [
        {"tickers": ("SPY", "QQQ", "IWM")},
        {"last_close": np.array([1.0, 2.0])},
        {"last_close": np.array([1.0, 2.0, 0.0])},
        {"target_dates": cube().target_dates[::-1]},
        {"origin_date": cube().target_dates[0]},
        {"log_return": np.full((3, 3, 5), np.nan, np.float32)},
        {"log_return": np.zeros((0, 3, 5), np.float32)},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_what_no_run_can_have_written_is_refused(changed: dict) -> None:
    with pytest.raises(StoreError, match="expected tickers, days and numbers"):
        parse_scenarios(view(cube(**changed)).encode())


def test_only_tickers_with_scenarios_can_be_independent() -> None:
    with pytest.raises(StoreError, match="expected tickers, days and numbers"):
        parse_scenarios(view(cube(n=3), independent=("DIA",)).encode())
