from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from pipeline.bars import COLUMNS, PRICES, Bars
from pipeline.errors import InvalidBars, Reason
from tests.support.builders import bars, raw_bars, weekdays

NAMES = ("ticker", "session", *COLUMNS)


def changed(column: str, at: int | list[int] | slice, value: object) -> np.ndarray:
    values = getattr(raw_bars(), column).copy()
    values[at] = value
    return values


def swapped_sessions() -> np.ndarray:
    sessions = weekdays(200)
    sessions[[50, 51]] = sessions[[51, 50]]
    return sessions


def scaled_before(at: int, factor: float) -> dict[str, np.ndarray]:
    raw = raw_bars()
    scale = np.where(np.arange(len(raw)) < at, factor, 1.0)
    return {name: getattr(raw, name) * scale for name in ("open", "high", "low", "close")}


BROKEN = {
    "a NaN inside": ({"close": changed("close", 40, np.nan)}, Reason.BAR_NAN),
    "a NaN inside and in the last bar": (
        {"close": changed("close", [40, -1], np.nan)},
        Reason.BAR_NAN,
    ),
    "an infinite high": ({"high": changed("high", 40, np.inf)}, Reason.BAR_NAN),
    "a NaN in the second-last bar": ({"close": changed("close", -2, np.nan)}, Reason.BAR_NAN),
    "a NaN in the last bar": ({"close": changed("close", -1, np.nan)}, Reason.LAST_BAR_NAN),
    "a zero price": ({"low": changed("low", 40, 0.0)}, Reason.NON_POSITIVE_PRICE),
    "a negative price": ({"open": changed("open", 40, -1.0)}, Reason.NON_POSITIVE_PRICE),
    "a high below the close": ({"high": changed("high", 40, 1.0)}, Reason.INCONSISTENT_OHLC),
    "a low above the open": ({"low": changed("low", 40, 1e5)}, Reason.INCONSISTENT_OHLC),
    "an unadjusted 2:1 split": (scaled_before(150, 2.0), Reason.PRICE_JUMP),
    "an unadjusted 3:2 split": (scaled_before(150, 1.5), Reason.PRICE_JUMP),
    "an unadjusted 1:10 split": (scaled_before(150, 0.1), Reason.PRICE_JUMP),
    "a feed that stands still": (
        {name: changed(name, slice(60, 66), 400.0) for name in PRICES},
        Reason.FROZEN,
    ),
    "a week in which nobody traded": (
        {"volume": changed("volume", slice(60, 66), 0.0)},
        Reason.FROZEN,
    ),
    "a session twice": (
        {"session": changed("session", 41, weekdays(200)[40])},
        Reason.DUPLICATE_SESSION,
    ),
    "sessions out of order": ({"session": swapped_sessions()}, Reason.UNORDERED_SESSIONS),
    "no bars": (
        {name: getattr(raw_bars(), name)[:0] for name in ("session", *COLUMNS)},
        Reason.NO_BARS,
    ),
    "a column of another length": ({"open": np.ones(3)}, Reason.UNREADABLE),
}


@pytest.mark.parametrize(("columns", "reason"), BROKEN.values(), ids=BROKEN.keys())
def test_broken_bars_are_refused_with_their_reason(columns: dict, reason: Reason) -> None:
    with pytest.raises(InvalidBars) as caught:
        Bars.validate(raw_bars(**columns))
    assert caught.value.reason is reason
    assert str(caught.value).startswith("SPY: ")


def with_session(at: int, value: np.datetime64) -> np.ndarray:
    sessions = weekdays(200)
    sessions[at] = value
    return sessions


@pytest.mark.parametrize("at", [1, 40, 199])
def test_the_first_session_that_comes_twice_is_named_wherever_it_stands(at: int) -> None:
    sessions = with_session(at, weekdays(200)[at - 1])
    sessions[-1] = sessions[-2]
    with pytest.raises(InvalidBars, match=f"SPY: {sessions[at]} came twice") as refusal:
        bars(session=sessions)
    assert refusal.value.reason is Reason.DUPLICATE_SESSION


@pytest.mark.parametrize("at", [1, 40, 199])
def test_a_session_out_of_order_is_named_with_the_one_before(at: int) -> None:
    early = np.datetime64("2001-01-02")
    message = f"got 2001-01-02 after {weekdays(200)[at - 1]}"
    with pytest.raises(InvalidBars, match=message) as refusal:
        bars(session=with_session(at, early))
    assert refusal.value.reason is Reason.UNORDERED_SESSIONS


@pytest.mark.parametrize("name", COLUMNS)
def test_every_column_has_one_value_per_session(name: str) -> None:
    short = getattr(raw_bars(), name)[1:]
    with pytest.raises(InvalidBars, match=rf"expected {name} of shape \(200,\), got \(199,\)"):
        bars(**{name: short})


def test_bars_that_were_accepted_once_can_be_cut_anywhere() -> None:
    odd = Bars(**{name: getattr(raw_bars(**scaled_before(150, 2.0)), name) for name in NAMES})
    assert len(odd.tail(100)) == 100


def test_what_later_vintages_confirmed_is_history() -> None:
    split = raw_bars(**scaled_before(150, 2.0))
    day = split.session[150].item()
    assert len(Bars.validate(split, confirmed=day)) == 200
    with pytest.raises(InvalidBars, match=f"on {day} the close jumps") as refusal:
        Bars.validate(split, confirmed=split.session[149].item())
    assert refusal.value.reason is Reason.PRICE_JUMP


def test_a_jump_is_told_with_its_split_and_the_prices_on_both_sides() -> None:
    raw = raw_bars(**scaled_before(150, 2.0))
    with pytest.raises(InvalidBars) as refusal:
        Bars.validate(raw)
    said = str(refusal.value)
    assert f"SPY: on {raw.session[150]} the close jumps like an unadjusted split of 2:1" in said
    assert f"close {raw.close[149]:g} before, open {raw.open[150]:g}" in said


def test_frozen_bars_are_told_with_what_stood_still() -> None:
    raw = raw_bars()
    prices = {name: getattr(raw, name).copy() for name in PRICES}
    for column in prices.values():
        column[-5:] = column[-5]
    with pytest.raises(InvalidBars, match=f"5 sessions up to {raw.session[-1]} have the same four"):
        bars(**prices)


def test_a_high_that_misses_the_close_by_a_rounding_is_accepted() -> None:
    raw = raw_bars()
    assert len(bars(high=np.maximum(raw.open, raw.close) * 0.9999)) == 200


@pytest.mark.parametrize(("side", "sign"), [("high", 1), ("low", -1)])
def test_a_high_or_low_may_miss_by_half_a_percent_and_no_more(side: str, sign: int) -> None:
    raw = raw_bars()
    highest, lowest = np.maximum(raw.open, raw.close), np.minimum(raw.open, raw.close)
    wide = {"high": highest * 1.02, "low": lowest * 0.98}
    end = highest if side == "high" else lowest
    assert len(bars(**wide | {side: end / (1 + sign * 0.0049)})) == 200
    with pytest.raises(InvalidBars) as refusal:
        bars(**wide | {side: end / (1 + sign * 0.0051)})
    assert refusal.value.reason is Reason.INCONSISTENT_OHLC


def test_as_of_keeps_nothing_later() -> None:
    cut = bars().as_of(date(2024, 12, 20))
    assert cut.session[-1] == np.datetime64("2024-12-20")
    assert isinstance(cut, Bars)


def test_since_and_tail_keep_the_newest() -> None:
    assert bars().since(date(2024, 12, 20)).session[0] == np.datetime64("2024-12-20")
    assert len(bars().tail(10)) == 10
    assert len(bars(n=5).tail(10)) == 5


@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1)])
@pytest.mark.parametrize(("first", "last"), [(3, 7), (-5, 4), (190, 300), (7, 7), (9, 3), (-9, -2)])
def test_between_keeps_both_ends_in_any_order(order: slice, first: int, last: int) -> None:
    raw = raw_bars().rows(order)
    start = weekdays(200)[0].item()
    days = start + timedelta(first), start + timedelta(last)
    kept, expected = raw.between(*days), raw.as_of(days[1]).since(days[0])
    assert all(np.array_equal(getattr(kept, n), getattr(expected, n)) for n in COLUMNS)
    assert np.array_equal(kept.session, expected.session)
