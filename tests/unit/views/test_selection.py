"""Which rows a person asks for, in words."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from pipeline.errors import RequestError
from pipeline.record.manifest import Mode
from pipeline.views.rows import Selection
from pipeline.views.selection import select

DAY = date(2024, 12, 27)


@pytest.mark.parametrize(
    "day", [DAY, "2024-12-27", "2024-12-27 22:10", datetime(2024, 12, 27, 23, tzinfo=UTC)]
)
def test_a_day_is_a_date_or_its_text(day: Any) -> None:
    assert select(day, day, None, None, "live") == Selection(first=DAY, last=DAY)


def test_one_needs_no_list() -> None:
    several = select(None, None, ["spy"], [1], ["live"])
    assert select(None, None, "SPY", 1, "live") == select(None, None, "SPY", (1,), ("live",))
    assert list(several.tickers or ()) == ["SPY"]
    assert list(select(None, None, "SPY, qqq", None, "live").tickers or ()) == ["SPY", "QQQ"]


def test_modes_are_all_that_are_named() -> None:
    assert select(None, None, None, None, ("live", "backfill")).modes == (Mode.LIVE, Mode.BACKFILL)


@pytest.mark.parametrize("day", ["27.12.2024", "2024-13-01", "yesterday", ""])
def test_what_is_no_day_is_refused(day: str) -> None:
    with pytest.raises(RequestError, match="last: expected a date or text like 2024-12-27, got "):
        select(None, day, None, None, "live")


@pytest.mark.parametrize("modes", ["lively", ("live", "past")])
def test_what_is_no_mode_is_refused(modes: Any) -> None:
    with pytest.raises(RequestError, match="modes: expected some of live, as_of, backfill, got"):
        select(None, None, None, None, modes)
