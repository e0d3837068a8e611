"""The numbers of one small record, literally.

A daily run, a backfill and a replay share their formulas, so that a wrong one agrees with itself
everywhere; tests/golden/record/numbers.json has what must come out of twelve sessions of two
tickers by the bundle in tests/golden/bundle, which begins with neutral gains.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from pipeline.columns import Columns
from pipeline.forecasting.bundle import load_bundle
from pipeline.forecasting.levels import LEVELS
from pipeline.forecasting.model import Model
from tests.support.fakes import MemoryObjects
from tests.support.records import SESSIONS, backfilled, run_days, scores_of, states, table

GOLDEN = Path(__file__).resolve().parents[2] / "golden"
NUMBERS = json.loads((GOLDEN / "record" / "numbers.json").read_text())
SPAN = SESSIONS[-12:]
LAST = SPAN[-1]
# ONNX Runtime computes in single precision, in which processors differ by a bit; a score is the
# small difference of two such numbers.
EXACT, SINGLE, SCORED = 1e-9, 1e-6, 1e-5

RECORDS: dict[str, Callable[[Model], MemoryObjects]] = {
    "live": lambda model: run_days(model, SPAN),
    "backfill": lambda model: backfilled(model, SPAN[0], LAST),
}


@pytest.fixture(scope="module", params=RECORDS)
def mode(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def record(mode: str) -> MemoryObjects:
    return RECORDS[mode](Model(load_bundle(GOLDEN / "bundle")))


def assert_numbers(
    found: Mapping[str, Any], expected: Mapping[str, Any], rtol: float, atol: float = 0.0
) -> None:
    assert list(found) == list(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=rtol, atol=atol, err_msg=name)


def of_spy(rows: Columns) -> dict[str, list[float]]:
    """The numbers of SPY from the last origin, a value per horizon."""
    wanted = (rows["ticker"] == "SPY") & (rows["origin_date"] == np.datetime64(LAST))
    numbers = {name: column for name, column in rows.items() if column.dtype == np.float64}
    return {name: column[wanted].tolist() for name, column in numbers.items()}


@pytest.mark.parametrize("ticker", ["SPY", "QQQ"])
def test_the_gains_after_eleven_sessions_are_these(record: MemoryObjects, ticker: str) -> None:
    gains = np.exp(states(record)[-1].log_gains[ticker])
    np.testing.assert_allclose(gains, NUMBERS["gains"][ticker], rtol=EXACT)


@pytest.mark.parametrize("ticker", ["SPY", "QQQ"])
def test_a_gain_is_a_step_per_miss_and_the_tail_s_share_of_a_step_back(ticker: str) -> None:
    """What the golden gains are, by hand: horizon h has 12 - h outcomes, each level its misses."""
    steps = [0.025, 0.0176776695297, 0.0144337567297, 0.0125, 0.01118033988750]
    tails = [0.01, 0.025, 0.05, 0.10, 0.25, 0.0, 0.25, 0.10, 0.05, 0.025, 0.01]
    log_gains = np.log(NUMBERS["gains"][ticker])
    for i, step in enumerate(steps):
        expected = step * (np.array(NUMBERS["misses"][ticker][i]) - (11 - i) * np.array(tails))
        np.testing.assert_allclose(log_gains[i], expected, rtol=EXACT, atol=1e-11)


def test_the_last_forecast_is_this(record: MemoryObjects) -> None:
    assert_numbers(of_spy(table(record, "forecasts")), NUMBERS["forecasts"], SINGLE)


@pytest.mark.parametrize("model", NUMBERS["baselines"])
def test_the_last_baselines_are_these(record: MemoryObjects, model: str) -> None:
    rows = table(record, "baselines")
    of_model = {name: column[rows["model"] == model] for name, column in rows.items()}
    assert_numbers(of_spy(of_model), NUMBERS["baselines"][model], EXACT)


@pytest.mark.parametrize("model", NUMBERS["scores"])
def test_the_scores_of_the_last_session_are_these(record: MemoryObjects, model: str) -> None:
    rows = scores_of(record)
    by_horizon = [rows["SPY", SPAN[-1 - h], h, model] for h in range(1, 6)]
    expected = NUMBERS["scores"][model]
    found = {name: [row[name] for row in by_horizon] for name in expected}
    assert_numbers(found, expected, SCORED if model == "forecaster" else EXACT)


def test_the_running_scores_are_these(record: MemoryObjects, mode: str) -> None:
    track = msgspec.to_builtins(states(record)[-1].tracks[mode])
    expected = NUMBERS["track"]
    assert (track["sessions"], track["in_sample"]) == (11, 11)
    assert track["tickers"]["SPY"]["covered"] == expected["covered"]
    for name, sums in expected["against"].items():
        assert_numbers(track["tickers"]["SPY"]["against"][name], sums, SCORED)
    assert_numbers(track["log_wealth"], expected["log_wealth"], SCORED, atol=1e-6)


def test_the_numbers_cover_every_horizon_and_level() -> None:
    assert np.shape(NUMBERS["gains"]["SPY"]) == (5, len(LEVELS))
    assert set(NUMBERS["scores"]) == {"forecaster", *NUMBERS["baselines"]}
