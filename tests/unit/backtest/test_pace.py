"""How far a long computation is, and how long it will take."""

from __future__ import annotations

import pytest

from pipeline.backtest.pace import Pace, Progress
from pipeline.cli.progress import format_time_left


def test_time_left_is_foretold_by_kind_and_shared_by_the_workers() -> None:
    pace = Pace(8, ["slow", "fast", "slow", "fast", "slow"], workers=2)
    assert pace.estimate_progress() == Progress(3, 8, None)
    pace.add_timing("slow", 10.0)
    assert pace.estimate_progress() == Progress(4, 8, None)
    pace.add_timing("fast", 1.0)
    pace.add_timing("slow", 20.0)
    assert pace.estimate_progress() == Progress(6, 8, (15.0 + 1.0) / 2)
    pace.add_timing("fast", 1.0)
    pace.add_timing("slow", 12.0)
    assert pace.estimate_progress() == Progress(8, 8, 0.0)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, ""), (0.0, "0 s left"), (89.4, "89 s left"), (3600.0, "60 min left")],
)
def test_time_left_is_said_in_minutes_once_it_is_long(seconds: float | None, words: str) -> None:
    assert format_time_left(seconds) == words
