"""Bars that a source changed afterwards are counted; a change that no split explains withholds."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import msgspec
import numpy as np
import pytest

from pipeline.bars import PRICES, RawBars
from pipeline.errors import Reason
from pipeline.forecasting.model import Model
from pipeline.record.chain import find_head
from pipeline.record.revisions import (
    LARGEST_CHANGE,
    Revision,
    explained_by_splits,
    find_mended,
    find_revisions,
    split_factor_since,
)
from pipeline.record.state import count_withheld_and_revised, read_state
from tests.support.builders import raw_bars
from tests.support.fakes import MemoryObjects
from tests.support.records import DAYS, SESSIONS, market, run_day, scaled, states, with_column

NOW = raw_bars("SPY", 200, session=DAYS[-200:])
THEN = NOW.as_of(SESSIONS[-4])
*_, BEFORE, MONDAY, TUESDAY = SESSIONS


def split_two_for_one(raw: RawBars, row: int) -> RawBars:
    """The same bars as a source gives them once each share became two in `row`."""
    halved = replace(scaled(raw, 0.5), volume=raw.volume * 2.0)
    return with_column(halved, "split", row, 2.0)


def test_equal_bars_are_no_revision_and_new_ones_neither() -> None:
    assert find_revisions(NOW, THEN) == {}
    assert explained_by_splits(NOW, THEN)


def test_a_revision_is_counted_by_column_with_its_largest_change_and_day() -> None:
    now = with_column(NOW, "close", 150, NOW.close[150] * 1.001)
    now = with_column(now, "close", 160, NOW.close[160] * 0.998)
    now = with_column(now, "volume", 170, NOW.volume[170] * 1.5)
    assert find_revisions(now, THEN) == {
        "close": Revision(2, pytest.approx(-0.002), str(NOW.session[160])),
        "volume": Revision(1, pytest.approx(0.5), str(NOW.session[170])),
    }


@pytest.mark.parametrize(("change", "so"), [(0.0049, True), (0.0051, False)])
def test_a_close_may_come_back_rounded_but_not_changed(change: float, so: bool) -> None:
    now = with_column(NOW, "close", 150, NOW.close[150] * (1 - change))
    assert explained_by_splits(now, THEN) is so


@pytest.mark.parametrize("name", ["open", "high", "low", "volume"])
def test_other_columns_are_only_noted(name: str) -> None:
    now = with_column(NOW, name, 150, getattr(NOW, name)[150] * 1.5)
    assert explained_by_splits(now, THEN)
    assert list(find_revisions(now, THEN)) == [name]


def test_a_split_since_explains_all_and_is_no_revision() -> None:
    now = split_two_for_one(NOW, 198)
    assert find_revisions(now, THEN) == {}
    assert explained_by_splits(now, THEN)


def split_three_for_one(raw: RawBars, row: int, digits: int) -> RawBars:
    """Bars from the session of a 3:1 split on, prices rounded as a source rounds them."""
    prices = {name: (getattr(raw, name) / 3.0).round(digits) for name in PRICES}
    return with_column(replace(raw, **prices, volume=raw.volume * 3.0), "split", row, 3.0)


def test_a_split_by_three_is_no_revision_although_a_third_is_inexact() -> None:
    now = split_three_for_one(NOW, 198, digits=15)
    before = THEN.close[:150] * (1 / 3)
    assert (now.close[:150] != before).any()
    assert find_revisions(now, THEN) == {}
    assert explained_by_splits(now, THEN)


def test_prices_rounded_to_cents_after_a_split_are_noted_and_explained() -> None:
    now = split_three_for_one(NOW, 198, digits=2)
    assert explained_by_splits(now, THEN)
    assert set(find_revisions(now, THEN)) == set(PRICES)
    assert abs(find_revisions(now, THEN)["close"].largest) < 1e-4


def test_two_splits_since_multiply() -> None:
    now = split_two_for_one(split_two_for_one(NOW, 198), 199)
    np.testing.assert_array_equal(
        split_factor_since(now, NOW.session[[197, 198, 199]]), [4.0, 2.0, 1.0]
    )
    assert find_revisions(now, THEN) == {}


def test_a_split_that_the_vintage_before_knew_explains_nothing() -> None:
    now = split_two_for_one(NOW, 150)
    assert find_revisions(now, now.as_of(SESSIONS[-4])) == {}
    assert not explained_by_splits(scaled(now, 0.5), now.as_of(SESSIONS[-4]))


def test_a_split_without_its_event_is_unexplained() -> None:
    assert not explained_by_splits(scaled(NOW, 0.5), THEN)


def test_an_adjustment_switched_on_is_unexplained() -> None:
    factors = np.where(np.arange(200) < 100, 0.99, 1.0)
    adjusted = replace(NOW, **{name: getattr(NOW, name) * factors for name in PRICES})
    assert not explained_by_splits(adjusted, THEN)
    assert find_revisions(adjusted, THEN)["close"] == Revision(
        100, pytest.approx(-0.01), find_revisions(adjusted, THEN)["close"].session
    )


@pytest.mark.parametrize("side", ["now", "then"])
def test_a_value_that_either_lacks_is_left_out(side: str) -> None:
    holed = with_column(NOW, "close", 150, np.nan)
    now, then = (holed, THEN) if side == "now" else (NOW, holed.as_of(SESSIONS[-4]))
    assert find_revisions(now, then) == {}
    assert explained_by_splits(now, then)


def test_a_session_that_only_one_of_them_has_is_left_out() -> None:
    kept = np.ones(200, bool)
    kept[150] = False
    assert find_revisions(NOW, THEN.rows(kept[: len(THEN)])) == {}
    assert find_revisions(NOW.rows(kept), THEN) == {}


@pytest.mark.parametrize(
    "then", [THEN.as_of(date(1990, 1, 1)), THEN.rows(np.r_[0:50, 49])], ids=["none", "twice"]
)
def test_bars_that_cannot_be_compared_are_no_revision(then: RawBars) -> None:
    assert find_revisions(scaled(NOW, 0.5), then) == {}


@pytest.mark.parametrize(
    ("rows", "mended"),
    [
        (slice(150, 151), [150]),
        (slice(192, 197), [192, 193, 194, 195, 196]),
        (slice(191, 197), []),
        (slice(0, 3), []),
        (slice(197, 200), []),
    ],
    ids=["one", "a week", "more", "all that came before", "new bars"],
)
def test_a_few_other_closes_among_equal_ones_are_mended(rows: slice, mended: list[int]) -> None:
    assert find_mended(scaled(NOW, 0.9, rows), THEN).tolist() == mended


def test_a_close_rounded_otherwise_is_not_mended() -> None:
    assert find_mended(scaled(NOW, 1.004, slice(150, 151)), THEN).tolist() == []


def adjusted_from_now_on() -> dict[str, RawBars]:
    return market(QQQ=scaled(market()["QQQ"], 0.99, slice(0, 410)))


def test_an_unexplained_revision_withholds_the_ticker_for_one_session(model: Model) -> None:
    store = MemoryObjects()
    assert run_day(model, store, BEFORE, market()).withheld == {}
    told = run_day(model, store, MONDAY, adjusted_from_now_on())
    assert told.withheld == {"QQQ": Reason.UNEXPLAINED_REVISION}
    assert told.manifests[0].tickers["QQQ"] == "withheld:unexplained_revision"
    assert told.manifests[0].tickers["SPY"] == "ok"
    # The vintage of Monday has the new prices: Tuesday's are no revision of these.
    assert run_day(model, store, TUESDAY, adjusted_from_now_on()).withheld == {}


def test_a_retry_on_the_same_evening_does_not_accept_the_revision(model: Model) -> None:
    store = MemoryObjects()
    run_day(model, store, BEFORE, market())
    for _ in range(2):
        told = run_day(model, store, MONDAY, adjusted_from_now_on())
        assert told.withheld == {"QQQ": Reason.UNEXPLAINED_REVISION}
    assert run_day(model, store, MONDAY, market()).withheld == {}


def test_a_revision_is_seen_across_sessions_in_which_the_ticker_was_not_read(model: Model) -> None:
    store = MemoryObjects()
    run_day(model, store, BEFORE, market())
    run_day(model, store, MONDAY, {"SPY": market()["SPY"]})
    told = run_day(model, store, TUESDAY, adjusted_from_now_on())
    assert told.withheld == {"QQQ": Reason.UNEXPLAINED_REVISION}


def test_a_split_since_the_last_vintage_withholds_nothing(model: Model) -> None:
    store = MemoryObjects()
    run_day(model, store, MONDAY, market())
    told = run_day(model, store, TUESDAY, market(QQQ=split_two_for_one(market()["QQQ"], 419)))
    assert told.withheld == {}
    assert told.manifests[0].revisions == {}


def test_revisions_are_in_the_manifest_and_counted_once_a_session(model: Model) -> None:
    store = MemoryObjects()
    run_day(model, store, BEFORE, market())
    revised = with_column(market()["SPY"], "volume", 400, 1.0)
    told = run_day(model, store, MONDAY, market(SPY=revised))
    (volume,) = told.manifests[0].revisions["SPY"].values()
    assert (volume.bars, volume.session) == (1, str(SESSIONS[400]))
    assert told.withheld == {}
    run_day(model, store, TUESDAY, market(SPY=revised))
    assert states(store)[-1].revised == {"SPY": {"volume": 1}}


def test_a_ticker_withheld_first_and_published_later_counts_once_a_session(model: Model) -> None:
    store = MemoryObjects()
    run_day(model, store, BEFORE, market())
    run_day(model, store, MONDAY, adjusted_from_now_on())
    rounded = market(QQQ=scaled(market()["QQQ"], 1.001))
    assert run_day(model, store, MONDAY, rounded).published == ("QQQ",)
    run_day(model, store, TUESDAY, rounded)
    state = states(store)[-1]
    assert state.withheld == {"QQQ": {"unexplained_revision": 1}}
    assert state.revised == {"QQQ": dict.fromkeys(PRICES, 1)}


def test_withheld_sessions_are_counted_by_reason(model: Model) -> None:
    store = MemoryObjects()
    run_day(model, store, BEFORE, market())
    run_day(model, store, MONDAY, {"SPY": market()["SPY"]})
    run_day(model, store, MONDAY, {"SPY": market()["SPY"]})
    run_day(model, store, TUESDAY, adjusted_from_now_on())
    head = find_head(store)
    assert head is not None
    seen = count_withheld_and_revised(read_state(store, head.manifest), head.manifest)
    assert seen["withheld"]["QQQ"]["unknown_ticker"] == 1


@pytest.mark.parametrize("column", ["volume", "low", "split"])
@pytest.mark.parametrize("value", [5e-324, 1e-300, 1e300, 1.79e308])
def test_what_was_no_value_and_is_mended_is_a_revision_that_json_can_hold(
    column: str, value: float
) -> None:
    raw = raw_bars("SPY", 30)
    values = getattr(raw, column).copy()
    values[[3, 5]] = value
    poisoned = replace(raw, **{column: values})
    for now, then in ((raw, poisoned), (poisoned, raw)):
        for revision in find_revisions(now, then).values():
            assert abs(revision.largest) <= LARGEST_CHANGE
            assert msgspec.json.decode(msgspec.json.encode(revision), type=Revision) == revision
