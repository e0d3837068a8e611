from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from pipeline.bars import COLUMNS, Bars
from pipeline.errors import InvalidBars, Reason
from tests.support.builders import bars, raw_bars, weekdays


def changed(column: str, at: int | list[int], value: object) -> np.ndarray:
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


def with_step(factor: float, at: int = 150) -> dict[str, np.ndarray]:
    """Return prices that stand still but for one step to `factor` times as much."""
    price = np.where(np.arange(200) < at, 100.0, 100.0 * factor)
    return dict.fromkeys(("open", "high", "low", "close"), price)


SPLITS = [1.5, 2.0, 3.0, 4.0, 5.0]
OF_EVERY_SPLIT = pytest.mark.parametrize("ratio", SPLITS + [1 / ratio for ratio in SPLITS])


def jump_refused(factor: float, at: int = 150) -> bool:
    """Return whether a step by `factor` is refused as a jump that begins at bar `at`."""
    try:
        bars(**with_step(factor, at))
    except InvalidBars as refusal:
        assert refusal.reason is Reason.PRICE_JUMP
        assert f"on {weekdays(200)[at]} the close jumps" in str(refusal)
        return True
    return False


@OF_EVERY_SPLIT
@pytest.mark.parametrize("at", [1, 150, 199])
def test_every_split_ratio_alone_is_a_jump_wherever_it_stands(ratio: float, at: int) -> None:
    assert jump_refused(ratio, at)


@OF_EVERY_SPLIT
@pytest.mark.parametrize("side", [-1, 1])
def test_a_jump_within_8_percent_of_a_split_in_log_is_one_and_beyond_is_none(
    ratio: float, side: int
) -> None:
    assert jump_refused(ratio * np.exp(side * 0.0799))
    beyond_the_last = ratio in (5.0, 1 / 5.0) and (ratio > 1) == (side > 0)
    assert jump_refused(ratio * np.exp(side * 0.0801)) is beyond_the_last


@pytest.mark.parametrize("factor", [6.0, 10.0, 50.0])
def test_a_jump_beyond_the_last_split_ratio_is_no_price_either(factor: float) -> None:
    assert jump_refused(factor)
    assert jump_refused(1 / factor)


def test_a_crash_of_a_quarter_is_a_price_and_not_a_split() -> None:
    assert len(bars(**scaled_before(150, 1.25))) == 200


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
