"""A bar that the source lost comes from an earlier vintage, if all else agrees."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.bars import COLUMNS, PRICES, RawBars
from pipeline.record.holes import LEAST_SHARED, fill_holes, find_holes
from tests.support.builders import raw_bars
from tests.support.records import DAYS, scaled, with_column, without

NOW = raw_bars("SPY", 200, session=DAYS[-200:])
THEN = NOW.rows(slice(0, 199))
EXPECTED = DAYS[-200:-1]
LOST = 150


def lacking(raw: RawBars = NOW, *rows: int) -> RawBars:
    for row in rows or (LOST,):
        raw = without(raw, NOW.session[row].item())
    return raw


def assert_equal(ours: RawBars, theirs: RawBars) -> None:
    np.testing.assert_array_equal(ours.session, theirs.session)
    for name in COLUMNS:
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=1e-12)


def filled(raw: RawBars, earlier: RawBars = THEN) -> RawBars:
    return fill_holes(raw, find_holes(raw, EXPECTED), earlier)[0]


def test_whole_bars_have_no_hole() -> None:
    assert len(find_holes(NOW, EXPECTED)) == 0


@pytest.mark.parametrize("rows", [(LOST,), (1,), (198,), (60, 61, 150, 197)], ids=str)
def test_what_was_lost_comes_back_as_it_was(rows: tuple[int, ...]) -> None:
    raw = lacking(NOW, *rows)
    assert find_holes(raw, EXPECTED).tolist() == NOW.session[list(rows)].tolist()
    assert_equal(filled(raw), NOW)


@pytest.mark.parametrize("name", PRICES)
def test_a_row_without_one_of_its_prices_is_a_hole_too(name: str) -> None:
    raw = with_column(NOW, name, LOST, np.nan)
    assert find_holes(raw, EXPECTED).tolist() == [NOW.session[LOST].item()]
    assert_equal(filled(raw), NOW)


@pytest.mark.parametrize(
    "raw",
    [
        NOW.rows(slice(0, 199)),
        NOW.rows(slice(0, 197)),
        with_column(NOW, "close", 199, np.nan),
        NOW.rows(np.r_[0:150, 149, 151:200]),
        NOW.rows(slice(0, 0)),
        replace(NOW, close=np.full(200, np.nan)),
    ],
    ids=["late", "later", "no last close", "out of order", "empty", "no prices"],
)
def test_what_has_not_come_yet_is_no_hole_nor_what_is_out_of_order(raw: RawBars) -> None:
    assert len(find_holes(raw, EXPECTED)) == 0


def test_a_split_since_is_undone() -> None:
    halved = replace(scaled(NOW, 0.5), volume=NOW.volume * 2)
    split = with_column(halved, "split", 199, 2.0)
    assert_equal(filled(lacking(split)), split)


def test_a_split_that_the_source_adjusted_late_is_undone() -> None:
    then = scaled(THEN, 2.0, slice(0, 190))  # as it was read when prices before were not adjusted
    volume = NOW.volume * np.where(np.arange(200) < 190, 1.0, 1.0)
    then = replace(then, volume=np.r_[volume[:190] / 2, volume[190:199]])
    now = with_column(NOW, "split", 190, 2.0)
    assert_equal(filled(lacking(now), with_column(then, "split", 190, 2.0)), now)


DISAGREEING = {
    "another close": with_column(THEN, "close", 20, THEN.close[20] * 1.00001),
    "adjusted": scaled(THEN, 0.998, slice(0, 100)),
    "a split without its event": scaled(THEN, 2.0),
    "the newest revised by a percent": with_column(THEN, "close", 198, THEN.close[198] * 1.01),
    "too little in common": THEN.rows(slice(199 - LEAST_SHARED, 199)),
    "without the bar": lacking(THEN),
    "without its price": with_column(THEN, "close", LOST, np.nan),
    "empty": THEN.rows(slice(0, 0)),
}


@pytest.mark.parametrize("earlier", DISAGREEING.values(), ids=DISAGREEING)
def test_where_anything_else_differs_the_hole_stays(earlier: RawBars) -> None:
    raw = lacking()
    bars, sessions = fill_holes(raw, find_holes(raw, EXPECTED), earlier)
    assert bars is raw
    assert len(sessions) == 0


def test_a_newest_close_that_was_still_rounded_disturbs_nothing() -> None:
    earlier = with_column(THEN, "close", 198, THEN.close[198] * 1.001)
    assert_equal(filled(lacking(), earlier), NOW)
    assert_equal(filled(lacking(), THEN.rows(slice(199 - LEAST_SHARED - 1, 199))), NOW)
