"""The next state: gains learn from every outcome, by one step at most."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import msgspec
import numpy as np
import pytest

from pipeline.bars import PRICES, RawBars
from pipeline.encoding import sha256
from pipeline.forecasting.bundle import ModelBundle
from pipeline.forecasting.calibration import MAX_LOG_GAIN, NEUTRAL, STEP, calibrate_history
from pipeline.forecasting.forecast import forecast
from pipeline.forecasting.levels import LEVELS
from pipeline.forecasting.model import Model
from pipeline.grid import round_decimals
from pipeline.jobs.replay import replay
from pipeline.record.keys import calibration_key, table_key
from pipeline.record.next_state import apply_scores, start_part
from pipeline.record.prior import PriorRecord
from pipeline.record.repairs import Loss, accept_loss
from pipeline.record.scoring import recover_quantiles
from pipeline.record.state import Outstanding, State
from tests.support.builders import bars
from tests.support.fakes import Crash, MemoryObjects
from tests.support.records import (
    CALENDAR,
    DAYS,
    SESSIONS,
    TABLES,
    TICKERS,
    evening,
    job_on,
    market,
    run,
    run_day,
    run_days,
    scores_of,
    states,
    table,
    with_column,
)

SPAN = SESSIONS[-24:]
# Of a log return, through prices in the hundreds with nine digits.
PRICED = 5e-9


@pytest.fixture(scope="module")
def record(model: Model) -> MemoryObjects:
    return run_days(model, SPAN)


def renewed(model: Model, **changed: object) -> Model:
    """The same model in a bundle whose manifest says something else."""
    manifest = msgspec.structs.replace(model.manifest, **changed)
    made = Model(ModelBundle(manifest, model.bundle.onnx))
    assert made.bundle.manifest == manifest
    return made


def gains_of(state: State, ticker: str) -> np.ndarray:
    return np.array(state.log_gains[ticker])


def test_the_first_state_has_the_gains_of_the_bundle(model: Model, record: MemoryObjects) -> None:
    first = states(record)[0]
    for ticker in TICKERS:
        expected = np.array(model.manifest.gains[ticker])
        assert np.array_equal(gains_of(first, ticker), round_decimals(np.log(expected)))
        assert np.array_equal(first.calibration.gains[ticker].round(9), expected.round(9))


def test_one_outcome_moves_a_gain_by_one_step_at_most(record: MemoryObjects) -> None:
    for before, after in pairwise(states(record)):
        for ticker in TICKERS:
            moved = gains_of(after, ticker) - gains_of(before, ticker)
            assert np.abs(moved).max() <= STEP * 0.99 + 1e-12


def crash_of(raw: RawBars, row: int, factor: float) -> RawBars:
    """A bad print: one close, with its low, is far off; the next day it is right again."""
    low = raw.low.copy()
    low[row] = raw.close[row] * factor * 0.99
    close = with_column(raw, "close", row, raw.close[row] * factor)
    return with_column(close, "low", row, low[row])


def test_a_poisoned_day_moves_the_gains_by_one_step_and_no_more(model: Model) -> None:
    day, row = SPAN[10], len(SESSIONS) - 24 + 10
    poisoned = market(SPY=crash_of(market()["SPY"], row, 0.85))
    store = run_days(model, SPAN[:10])
    before = states(store)[-1]
    # Of so far a close the source has to say it twice.
    assert run_day(model, store, day, poisoned).withheld == {"SPY": "implausible_close"}
    run(job_on(model, store, poisoned), evening(day) + timedelta(hours=1))
    moved = gains_of(states(store)[-1], "SPY") - gains_of(before, "SPY")
    # The return misses every level below the median, and by far; that counts as one miss.
    assert (moved[:, :5] > 0).all()
    assert np.abs(moved).max() <= STEP
    # The source mends the close: what it taught is taken back, and the ticker goes on.
    told = run_day(model, store, SPAN[11], market())
    assert told.withheld == {}
    (correction,) = told.manifests[0].corrected["SPY"]
    assert correction.session == day


def test_gains_stay_within_their_bounds(model: Model) -> None:
    # A price that hardly moves shrinks every interval; a wild one widens it.
    calm = {t: still(raw) for t, raw in market().items()}
    top = dict.fromkeys(TICKERS, ((2.0,) * 11,) * 5)
    store = run_days(renewed(model, gains=top), SPAN, bars=calm)
    for state in states(store):
        for ticker in TICKERS:
            assert np.abs(gains_of(state, ticker)).max() <= MAX_LOG_GAIN
    beyond = dict.fromkeys(TICKERS, ((3.0,) * 11,) * 5)
    manifest = renewed(model, gains=beyond).manifest
    started = start_part(PriorRecord(), manifest, SPAN[0], 0)
    assert gains_of(started, "SPY").max() == MAX_LOG_GAIN


def still(raw: RawBars) -> RawBars:
    values = {name: getattr(raw, name).copy() for name in PRICES}
    for name in PRICES:
        values[name][-24:] = raw.close[-25] * {"high": 1.0001, "low": 0.9999}.get(name, 1.0)
    return RawBars(**{**{n: getattr(raw, n) for n in raw.__dataclass_fields__}, **values})


def test_the_chain_of_states_is_the_online_calibrator(model: Model) -> None:
    neutral = renewed(model, gains={})
    store = run_days(neutral, SPAN)
    for ticker in TICKERS:
        one = bars(ticker, 420, session=DAYS)
        raw = [forecast([one.as_of(day)], neutral, NEUTRAL) for day in SPAN]
        quantiles = np.concatenate([each.log_return_quantiles for each in raw])
        close = np.log(np.r_[one.close[-24:], np.full(5, np.nan)])
        realised = np.stack([close[h : h + 24] - close[:24] for h in range(1, 6)], axis=1)
        expected, gains = calibrate_history(quantiles, realised)
        rows = table(store, "forecasts")
        ours = {name: column[rows["ticker"] == ticker] for name, column in rows.items()}
        np.testing.assert_allclose(
            recover_quantiles(ours).reshape(24, 5, len(LEVELS)), expected, rtol=0, atol=PRICED
        )
        # Every outcome adds half a step of the grid at most.
        np.testing.assert_allclose(
            np.exp(gains_of(states(store)[-1], ticker)), gains, rtol=24 * 5e-11
        )


def retrained(model: Model) -> Model:
    """The model as of another training: here only its version and its gains differ."""
    training = msgspec.structs.replace(model.manifest.training, last_session=SPAN[9])
    version = f"{SPAN[9]}-{model.manifest.model_version[-12:]}"
    halved = dict.fromkeys(TICKERS, ((0.9,) * 11,) * 5)
    return renewed(model, training=training, model_version=version, gains=halved)


def test_a_new_model_starts_from_the_gains_of_its_own_bundle(model: Model) -> None:
    store, new = run_days(model, SPAN[:10]), retrained(model)
    run_days(new, SPAN[10:11], store=store)
    *_, state = states(store)
    assert state.model_version == new.manifest.model_version
    np.testing.assert_allclose(np.exp(gains_of(state, "SPY")), np.full((5, 11), 0.9))
    rows = scores_of(store)
    of_today = [row for row in rows.values() if row["target_date"] == SPAN[10]]
    assert {row["model_version"] for row in of_today if row["model"] == "forecaster"} == {
        model.manifest.model_version
    }


def test_outcomes_of_the_old_model_do_not_move_the_new_ones_gains(model: Model) -> None:
    store, new = run_days(model, SPAN[:10]), retrained(model)
    run_days(new, SPAN[10:13], store=store)
    log_gains = gains_of(states(store)[-1], "SPY")
    # After two sessions the new model has outcomes of horizons 1 and 2 alone.
    assert (log_gains[:2, [0, 10]] != np.log(0.9)).all()
    assert np.array_equal(log_gains[2:], round_decimals(np.log(np.full((3, 11), 0.9))))


def test_a_model_that_serves_again_has_its_gains_back(model: Model) -> None:
    store, new = run_days(model, SPAN[:10]), retrained(model)
    left = gains_of(states(store)[-1], "SPY")
    run_days(new, SPAN[10:12], store=store)
    replaced = gains_of(states(store)[-1], "SPY")
    run_days(model, SPAN[12:13], store=store)
    again = states(store)[-1]
    # What it issued before and that is realised now moves them, as it always would have.
    assert np.abs(gains_of(again, "SPY") - left).max() <= STEP
    assert np.abs(gains_of(again, "SPY") - replaced).max() > STEP
    run_days(new, SPAN[13:14], store=store)
    assert np.abs(gains_of(states(store)[-1], "SPY") - replaced).max() <= 2 * STEP
    for session in SPAN[9:14]:
        assert all(replayed.equal for replayed in replay(store, TABLES, CALENDAR, session))


def test_a_model_whose_last_state_is_lost_starts_as_a_new_one(model: Model) -> None:
    store, new = run_days(model, SPAN[:10]), retrained(model)
    run_days(new, SPAN[10:17], store=store)  # by now no part needs the objects of SPAN[9]
    for key in (table_key("bars", SPAN[9], 0), calibration_key(SPAN[9], 0)):
        data = store.objects.pop(key)
        accept_loss(store, Loss(key, sha256(data), datetime(2025, 1, 1, tzinfo=UTC)))
    run_days(model, SPAN[17:18], store=store)
    gains = model.manifest.gains["SPY"]
    state = State.decode(store.objects[calibration_key(SPAN[17], 0)], "")
    assert np.abs(gains_of(state, "SPY") - np.log(gains)).max() <= STEP
    assert all(replayed.equal for replayed in replay(store, TABLES, CALENDAR, SPAN[17]))


def test_the_same_model_with_another_manifest_keeps_its_gains(model: Model) -> None:
    store = run_days(model, SPAN[:10])
    again = renewed(model, gains={}, libraries={"numpy": "0"})
    run_days(again, SPAN[10:11], store=store)
    before, after = states(store)[-2:]
    assert np.abs(gains_of(after, "SPY") - gains_of(before, "SPY")).max() <= STEP


def test_what_can_no_longer_be_scored_is_not_looked_for_for_ever(record: MemoryObjects) -> None:
    state = states(record)[-1]
    # Its target turned out to be a holiday.
    never = Outstanding(SPAN[0] - timedelta(days=150), 0, "live", {"SPY": (2,)})
    waiting = msgspec.structs.replace(state, outstanding=(never, *state.outstanding))
    assert apply_scores(waiting, None, waiting.outstanding, {}, None).outstanding[0] == never
    later = msgspec.structs.replace(waiting, session=SPAN[0] + timedelta(days=41))
    assert never not in apply_scores(later, None, later.outstanding, {}, None).outstanding


def test_a_part_that_died_is_finished_with_the_bundle_that_it_was_claimed_with(
    model: Model,
) -> None:
    store = MemoryObjects(crash_after=6)
    with pytest.raises(Crash):
        run_days(model, SPAN[:1], store=store)
    assert store.written[-1].startswith("calibration/")
    other = renewed(model, gains=dict.fromkeys(TICKERS, ((0.8,) * 11,) * 5))
    run_days(other, SPAN[:1], store=store)
    assert store.objects == run_days(model, SPAN[:1]).objects
    assert all(one.equal for one in replay(store, TABLES, CALENDAR, SPAN[0]))
