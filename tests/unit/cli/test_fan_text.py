"""Fans in a terminal: the width is kept, and each sign is where its price is."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pytest

from pipeline.cli.fan_text import ABOVE, BELOW, CLOSE, HEIGHT, INTERVAL, draw_fan, list_legend
from pipeline.record.manifest import Mode
from pipeline.views.fan import Fan
from tests.support.builders import weekdays

BANDS = "░▒▓"


def fan(n: int = 60, level: float = 400.0, **past: Any) -> Fan:
    close = np.full(n, level)
    ahead = 1 + np.arange(5)
    limits = {
        f"{side}_{c}": level * (1 + sign * 0.0003 * c * np.sqrt(ahead))
        for c in (50, 80, 95)
        for side, sign in (("lower", -1), ("upper", 1))
    }
    of_past = {
        "session": weekdays(n, "2025-06-30"),
        "close": close,
        "lower_95": close * 0.96,
        "upper_95": close * 1.04,
    }
    targets = np.busday_offset("2025-06-30", ahead)
    of_ahead = {"target_date": targets, "prediction": np.full(5, level * 1.001), **limits}
    return Fan(
        "SPY", date(2025, 6, 30), "made", of_past | past, of_ahead, Mode.LIVE, (Mode.LIVE,), 0
    )


@pytest.mark.parametrize("width", [40, 60, 80, 120, 300])
@pytest.mark.parametrize("level", [0.5, 40.0, 400.0, 40000.0])
def test_no_line_is_wider_than_there_is_room(width: int, level: float) -> None:
    lines = draw_fan(fan(level=level), width)
    assert len(lines) == HEIGHT + 1
    assert max(map(len, lines)) <= width
    drawn = "".join(lines)
    assert all(sign in drawn for sign in (CLOSE, INTERVAL, *BANDS))
    assert "2025-07-07" in lines[-1]


def test_where_it_is_narrow_the_newest_sessions_are_shown() -> None:
    closes = np.linspace(390, 410, 60)
    low, high = closes * 0.99, closes * 1.01
    one = fan(close=closes, lower_95=low, upper_95=high)
    drawn = draw_fan(one, 50)
    assert sum(line.count(CLOSE) for line in drawn) == 50 - 15 - len("410.00") - 1


@pytest.mark.parametrize("width", [1, 20, 30])
def test_where_there_is_no_room_it_says_so(width: int) -> None:
    assert draw_fan(fan(), width) == ["SPY: too narrow to draw on"]


def test_a_miss_is_a_triangle_outside_its_interval() -> None:
    one = fan()
    one.past["close"][10], one.past["close"][20] = 430.0, 370.0
    lines = draw_fan(one, 100)
    columns = {sign: [line.find(sign) for line in lines if sign in line] for sign in (ABOVE, BELOW)}
    labels = len("400.00") + 1
    assert columns == {ABOVE: [labels + 10], BELOW: [labels + 20]}
    (top,) = [at for at, line in enumerate(lines) if ABOVE in line]
    (bottom,) = [at for at, line in enumerate(lines) if BELOW in line]
    assert (top, bottom) == (0, HEIGHT - 1)
    below_it = [line[labels + 10] if len(line) > labels + 10 else " " for line in lines[top + 1 :]]
    assert below_it.count(INTERVAL) > 3
    assert CLOSE not in below_it


def test_a_session_without_a_forecast_has_a_close_alone() -> None:
    one = fan(lower_95=np.full(60, np.nan), upper_95=np.full(60, np.nan))
    drawn = "".join(draw_fan(one, 100))
    assert INTERVAL not in drawn
    assert drawn.count(CLOSE) == 60


def test_bands_lie_in_each_other_around_the_median() -> None:
    last = [line[-1] for line in draw_fan(fan(), 100)[:HEIGHT] if len(line) == 7 + 75]
    assert "".join(last).strip("░").strip("▒").strip("▓") == "-"


def test_a_day_has_room_for_its_name_or_none() -> None:
    days = ["2025-04-08", "2025-06-30", "2025-07-07"]
    named = {n: draw_fan(fan(n), 100)[-1].split() for n in (5, 12, 60)}
    assert named == {5: days[2:], 12: days[1:], 60: days}


@pytest.mark.parametrize("width", [40, 80, 200])
def test_the_legend_fits(width: int) -> None:
    assert len("".join(list_legend(width))) > 60
    assert max(map(len, list_legend(width))) <= max(width, 45)
