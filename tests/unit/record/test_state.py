"""The calibrator's states: a chain in which every outcome counts once, and moves one step."""

from __future__ import annotations

from itertools import pairwise

import pytest

from pipeline.encoding import sha256
from pipeline.errors import StoreError
from pipeline.forecasting.model import Model
from pipeline.record.state import State
from tests.support.fakes import MemoryObjects
from tests.support.records import (
    SESSIONS,
    TICKERS,
    run_days,
    scores_of,
    states,
)

SPAN = SESSIONS[-24:]


@pytest.fixture(scope="module")
def record(model: Model) -> MemoryObjects:
    return run_days(model, SPAN)


def test_each_state_names_the_one_before(record: MemoryObjects) -> None:
    chain = states(record)
    assert chain[0].previous is None
    for before, after in pairwise(chain):
        assert after.previous == sha256(before.encode())


def test_what_is_outstanding_is_what_was_issued_and_not_scored(record: MemoryObjects) -> None:
    # The state of a session is that before its own forecasts.
    last = states(record)[-1]
    assert {one.session: dict(one.tickers) for one in last.outstanding} == {
        SPAN[-1 - back]: dict.fromkeys(sorted(TICKERS), tuple(range(back + 1, 6)))
        for back in range(1, 5)
    }


@pytest.mark.parametrize("missed", [1, 5, 9], ids=lambda n: f"{n} sessions missed")
def test_whatever_days_are_missed_each_forecast_is_scored_once(
    model: Model, record: MemoryObjects, missed: int
) -> None:
    kept = [*SPAN[: 8 - missed // 2], *SPAN[8 - missed // 2 + missed :]]
    store = run_days(model, kept)
    rows, whole = scores_of(store), scores_of(record)
    assert set(rows) == {at for at in whole if at[1] in kept}
    for at, row in rows.items():
        # The outcome is the same; gains learnt otherwise may have moved our own quantiles.
        assert row["realised_return"] == whole[at]["realised_return"]
        assert at[3] == "forecaster" or row == whole[at]


def test_a_week_of_downtime_is_caught_up_in_one_run(model: Model) -> None:
    store = run_days(model, [*SPAN[:6], SPAN[11]])
    caught_up = [at for at, row in scores_of(store).items() if SPAN[5] < row["target_date"]]
    assert {at[1] for at in caught_up} == set(SPAN[1:6])
    assert len(caught_up) == (1 + 2 + 3 + 4 + 5) * len(TICKERS) * 4


@pytest.mark.parametrize(
    ("good", "bad"), [(b"{", b""), (b'"session"', b'"other"'), (b'version":"2', b'version":"\xb2')]
)
def test_what_is_no_state_is_a_store_error_that_names_it(
    record: MemoryObjects, good: bytes, bad: bytes
) -> None:
    data = record.objects[record.keys("calibration/")[0]].replace(good, bad)
    assert bad in data
    with pytest.raises(StoreError, match=r"calibration/x\.json: expected a calibration state"):
        State.decode(data, "calibration/x.json")


def test_a_state_comes_back_as_it_was(record: MemoryObjects) -> None:
    for key in record.keys("calibration/"):
        assert State.decode(record.objects[key], key).encode() == record.objects[key]
