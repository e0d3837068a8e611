from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from pipeline.bars import COLUMNS, Bars, Panel
from pipeline.errors import InvalidBars, Reason
from tests.support.builders import bars, raw_bars, weekdays


def changed(column: str, at: int, value: object) -> np.ndarray:
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
    "an infinite high": ({"high": changed("high", 40, np.inf)}, Reason.BAR_NAN),
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


def test_a_crash_of_a_quarter_is_a_price_and_not_a_split() -> None:
    assert len(bars(**scaled_before(150, 1.25))) == 200


def test_a_high_that_misses_the_close_by_a_rounding_is_accepted() -> None:
    raw = raw_bars()
    assert len(bars(high=np.maximum(raw.open, raw.close) * 0.9999)) == 200


def test_as_of_keeps_nothing_later() -> None:
    cut = bars().as_of(date(2024, 12, 20))
    assert cut.session[-1] == np.datetime64("2024-12-20")
    assert isinstance(cut, Bars)


def test_since_and_tail_keep_the_newest() -> None:
    assert bars().since(date(2024, 12, 20)).session[0] == np.datetime64("2024-12-20")
    assert len(bars().tail(10)) == 10
    assert len(bars(n=5).tail(10)) == 5


def test_a_panel_takes_the_vix_of_the_same_session_or_none() -> None:
    vix = raw_bars("^VIX", 3, close=np.array([15.0, np.nan, 17.0]))
    panel = Panel.of([bars(n=5)], 5, vix)
    assert np.array_equal(panel.vix[0], [np.nan, np.nan, 15.0, np.nan, 17.0], equal_nan=True)


def test_a_panel_says_which_ticker_has_too_few_bars() -> None:
    with pytest.raises(InvalidBars, match="QQQ: expected at least 10 bars, got 4") as caught:
        Panel.of([bars(n=20), bars("QQQ", n=4)], 10)
    assert caught.value.reason is Reason.NOT_ENOUGH_HISTORY
