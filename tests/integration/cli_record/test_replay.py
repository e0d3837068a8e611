"""`forecaster replay`: a session made again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.commands import Forecaster
from tests.support.record_commands import FIRST, LAST, OTHER_BUNDLE, assert_refused


def test_a_session_made_again_is_equal(forecaster: Forecaster, store: Path) -> None:
    answer = forecaster("replay", "2025-06-20")
    assert (answer.code, answer.err) == (0, "")
    lines = answer.out.splitlines()
    assert all(line.startswith("equal    ") for line in lines)
    assert lines[-1].endswith("runs/2025-06-20.00.json")
    document = forecaster("replay", "2025-06-20", "--json").document
    assert {one["equal"] for one in document["objects"]} == {True}
    assert [one["key"] for one in document["objects"]] == [line[9:] for line in lines]


def test_a_session_replays_under_another_bundle_deployed_since(
    forecaster: Forecaster, store: Path
) -> None:
    args = ("run", "--bars", "simulated", "--bundle", OTHER_BUNDLE, "--as-of", "2025-07-01")
    assert forecaster(*args).code == 0
    assert len(list((store / "bundles").iterdir())) == 2
    for session in (FIRST, LAST, "2025-07-01"):
        assert forecaster("replay", session).code == 0
    assert forecaster("verify").code == 0


@pytest.mark.parametrize("day", ["2025-06-19", "2025-06-21", "2024-06-20"])
def test_a_day_without_forecasts_is_one_clear_error(
    forecaster: Forecaster, store: Path, day: str
) -> None:
    assert_refused(forecaster("replay", day), 1, f"expected a manifest of {day}", "found none")


def test_a_session_whose_vintage_is_gone_is_one_clear_error(
    forecaster: Forecaster, store: Path
) -> None:
    key = "bars/month=2025-06/2025-06-20.00.parquet"
    (store / key).unlink()
    assert_refused(forecaster("replay", "2025-06-20"), 1, key, "found none")
