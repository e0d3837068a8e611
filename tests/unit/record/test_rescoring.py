"""What was scored by a bad print is scored anew once the source has mended it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import numpy as np
import pytest

from pipeline.bars import Bars, RawBars
from pipeline.errors import Reason
from pipeline.forecasting.calibration import Calibrator
from pipeline.forecasting.model import Model
from pipeline.grid import to_digits
from pipeline.jobs.remake_check import Sample
from pipeline.jobs.replay import replay
from pipeline.jobs.verify import Scope, verify
from pipeline.record.chain import find_head
from pipeline.record.correction import Correction
from pipeline.record.keys import scores_key
from pipeline.record.manifest import Mode, read_manifests
from pipeline.record.mended import MendedCloses, read_mended
from pipeline.record.prior import read_prior_record
from pipeline.record.repairs import Loss, Repairs, accept_loss
from pipeline.record.rescoring import correct_state, rescore
from pipeline.record.state import State
from pipeline.record.vintage import ReadInfo, Vintage
from pipeline.views.track_record import build_track_record
from tests.support.fakes import Crash, MemoryObjects
from tests.support.records import (
    CALENDAR,
    FORECAST,
    LONG_AFTER,
    SESSIONS,
    TABLES,
    TICKERS,
    evening,
    job_on,
    market,
    rows_by_key,
    run,
    run_day,
    run_days,
    scaled,
    states,
    with_column,
)

# Forecasts are on the record from the seven sessions before the bad print on.
DAYS = SESSIONS[-12:]
DAY = DAYS[7]
AT = len(SESSIONS) - 12 + 7
Rows = dict[tuple[Any, ...], dict[str, Any]]


def printed(factor: float = 1.05, ticker: str = "SPY", row: int = AT) -> dict[str, RawBars]:
    """The market with a bad print, near enough to the forecast to be published."""
    return market(**{ticker: scaled(market()[ticker], factor, slice(row, row + 1))})


def run_with_print(model: Model, until: int = 12, **print_: Any) -> MemoryObjects:
    """Return a record whose source mends the bad print of DAY by the next session."""
    store = run_days(model, DAYS[:7])
    run_day(model, store, DAY, printed(**print_))
    return run_days(model, DAYS[8:until], market(), store)


def counted(store: MemoryObjects) -> Rows:
    """The scores that count: of rows of one forecast, that of the newest file."""
    rows: Rows = {}
    for key in sorted(store.keys("scores/"), key=lambda key: key.rpartition("/")[2]):
        rows |= rows_by_key(TABLES.decode("scores", store.objects[key])[0], *FORECAST)
    return rows


def of_day(rows: Rows) -> Rows:
    """What was forecast for DAY, from sessions before it."""
    return {key: row for key, row in rows.items() if row["target_date"] == DAY}


def is_whole(store: MemoryObjects) -> bool:
    found = verify(store, TABLES, CALENDAR, Scope(Sample(deep=True)))
    assert (found.findings, found.left_behind, found.unmade) == ((), (), 0)
    return True


@pytest.fixture(scope="module")
def clean(model: Model) -> Mapping[str, bytes]:
    return run_days(model, DAYS).objects


def test_scores_of_the_mended_close_become_what_they_had_been(
    model: Model, clean: Mapping[str, bytes]
) -> None:
    store = run_with_print(model, 8)
    assert of_day(counted(store)) != of_day(counted(MemoryObjects(clean)))
    run_day(model, store, DAYS[8], market())
    assert of_day(counted(store)) == of_day(counted(MemoryObjects(clean)))
    assert is_whole(store)


def mended_after(
    model: Model, store: MemoryObjects, lost: Mapping[str, str] = {}
) -> tuple[MendedCloses, list[Bars]]:
    """What the market's bars of the session after the bad print mend, and these bars."""
    session = DAYS[8]
    info = ReadInfo(TICKERS, TICKERS, {}, "scripted", Mode.LIVE, evening(session))
    vintage = Vintage({ticker: raw.as_of(session) for ticker, raw in market().items()}, info)
    at = (store, TABLES, find_head(store), session, [model.bundle.version])
    mended = read_mended(
        store, TABLES, read_prior_record(*at, Repairs(lost=lost)), vintage, session
    )
    return mended, [Bars.validate(raw) for raw in vintage.ticker_bars()]


def corrected_state(model: Model, store: MemoryObjects) -> State:
    """The state after the bad print, corrected by the market's bars; nothing more is scored."""
    rescored = rescore(*mended_after(model, store))
    return correct_state(states(store)[-1], rescored, dict.fromkeys(TICKERS, model.manifest))


def test_gains_that_another_model_learned_are_left_alone(model: Model) -> None:
    store = run_with_print(model, 8)
    rescored = rescore(*mended_after(model, store))
    others = []
    for of_run in rescored:
        by_another = msgspec.structs.replace(of_run.run.run, model_version="another")
        others.append(replace(of_run, run=replace(of_run.run, run=by_another)))
    state = states(store)[-1]
    after = correct_state(state, others, dict.fromkeys(TICKERS, model.manifest))
    assert after.log_gains == state.log_gains
    assert after.tracks != state.tracks


def test_gains_are_corrected_by_the_steps_that_they_learn_by(model: Model) -> None:
    store = run_with_print(model, 8)
    rescored, state = rescore(*mended_after(model, store)), states(store)[-1]
    still = Calibrator(steps=(0.0,) * 11)
    manifest = msgspec.structs.replace(model.manifest, own_calibrator=still)
    left_alone = correct_state(state, rescored, dict.fromkeys(TICKERS, manifest))
    assert left_alone.log_gains == state.log_gains
    assert corrected_state(model, store).log_gains != state.log_gains


def test_what_a_lost_state_had_counted_is_not_taken_out_again(model: Model) -> None:
    store = run_with_print(model, 8)
    (part,) = read_manifests(store, DAY)
    lost = {part.calibration: part.objects[part.calibration]}
    assert len(mended_after(model, store)[0].runs) == 1
    assert mended_after(model, store, lost)[0].runs == ()


def numbers(value: Any) -> Iterator[float]:
    if isinstance(value, dict):
        for name in sorted(value):
            yield from numbers(value[name])
    elif isinstance(value, (list, tuple)):
        for within in value:
            yield from numbers(within)
    elif isinstance(value, str):
        yield from map(float, map(ord, value))
    else:
        yield float(value)


@pytest.mark.parametrize("factor", [1.05, 0.96, 1.008], ids=str)
def test_gains_sums_and_evidence_become_what_they_had_been(model: Model, factor: float) -> None:
    store = run_with_print(model, 8, factor=factor)
    wrong, right = states(store)[-1], states(run_days(model, DAYS[:8]))[-1]
    after = corrected_state(model, store)
    assert (wrong.log_gains, wrong.tracks) != (right.log_gains, right.tracks)
    for ours, theirs in ((after.log_gains, right.log_gains), (after.tracks, right.tracks)):
        pair = [list(numbers(msgspec.to_builtins(said))) for said in (ours, theirs)]
        assert pair[0] == pytest.approx(pair[1], abs=3e-10)


def test_sums_of_scores_are_those_of_the_rows_that_count(model: Model) -> None:
    store = run_with_print(model)
    track = states(store)[-1].tracks[Mode.LIVE]
    rows = [row for key, row in counted(store).items() if key[2] == 1]
    for ticker, scores in track.tickers.items():
        ours = [r for r in rows if r["ticker"] == ticker and r["model"] == "forecaster"]
        assert scores.scored == len(ours)
        assert scores.covered["covered_95"] == sum(r["covered_95"] for r in ours)
        for name, sums in scores.against.items():
            theirs = [r["crps"] for r in rows if r["ticker"] == ticker and r["model"] == name]
            assert sums.theirs == pytest.approx(sum(theirs), abs=1e-8)
            assert sums.ours == pytest.approx(sum(r["crps"] for r in ours), abs=1e-8)


def test_the_manifest_says_what_was_and_what_is(model: Model) -> None:
    store = run_with_print(model)
    corrected = [read_manifests(store, session)[0].corrected for session in DAYS]
    was, now = printed()["SPY"].close[AT], market()["SPY"].close[AT]
    assert corrected[8] == {"SPY": (Correction(DAY, to_digits(was), to_digits(now), 20),)}
    assert [bool(said) for said in corrected] == [number == 8 for number in range(12)]
    assert b"corrected" not in store.objects[f"runs/{DAYS[9]}.00.json"]


def test_what_was_written_stays_and_the_newer_rows_count(model: Model) -> None:
    store = run_with_print(model, 8)
    before = {key: data for key, data in store.objects.items() if key.endswith(".parquet")}
    run_day(model, store, DAYS[8], market())
    assert {key: store.objects[key] for key in before} == before
    rows = TABLES.decode("scores", store.objects[scores_key("2024-12", DAYS[8], 0)])[0]
    assert sum(rows["target_date"] == np.datetime64(DAY)) == 20


def test_the_track_record_is_of_the_corrected_scores(model: Model) -> None:
    store = run_with_print(model)
    link = find_head(store)
    assert link is not None
    record = build_track_record(states(store)[-1], link)
    rows = [row for key, row in counted(store).items() if key[2:] == (1, "forecaster")]
    share = record.modes[Mode.LIVE].pooled.coverage["95"]["all"].coverage
    assert share == pytest.approx(sum(row["covered_95"] for row in rows) / len(rows))


def test_a_print_accepted_at_an_hour_s_distance_is_mended_the_same(
    model: Model, clean: Mapping[str, bytes]
) -> None:
    store = run_days(model, DAYS[:7])
    for hours in (0, 2):
        run(
            job_on(model, store, printed(1.35)),
            evening(DAY, 21) + timedelta(hours=hours, minutes=30),
        )
    told = run_day(model, store, DAYS[8], market())
    assert told.withheld == {}
    assert of_day(counted(store)) == of_day(counted(MemoryObjects(clean)))
    assert is_whole(store)


def test_a_print_that_is_mended_while_the_ticker_is_withheld_is_mended_after(
    model: Model, clean: Mapping[str, bytes]
) -> None:
    store = run_days(model, DAYS[:7])
    run_day(model, store, DAY, printed())
    odd = with_column(market()["SPY"], "low", AT - 3, 1e9)
    for session in DAYS[8:10]:
        told = run_day(model, store, session, market(SPY=odd))
        assert told.withheld == {"SPY": Reason.INCONSISTENT_OHLC}
        assert told.manifests[0].corrected == {}
    told = run_day(model, store, DAYS[10], market())
    assert list(told.manifests[0].corrected) == ["SPY"]
    assert of_day(counted(store)) == of_day(counted(MemoryObjects(clean)))
    assert is_whole(store)


def test_a_forecast_withheld_first_and_published_later_is_corrected_too(
    model: Model, clean: Mapping[str, bytes]
) -> None:
    """Of a session's two parts the first has a row of the ticker too, without a forecast."""
    store = run_days(model, DAYS[:6])
    run_day(model, store, DAYS[6], {"QQQ": market()["QQQ"]})
    run_day(model, store, DAYS[6], market())
    run_day(model, store, DAY, printed())
    run_days(model, DAYS[8:10], market(), store)
    assert of_day(counted(store)) == of_day(counted(MemoryObjects(clean)))
    assert all(
        np.isfinite(wealth).all() for wealth in states(store)[-1].tracks["live"].log_wealth.values()
    )
    assert is_whole(store)


def test_a_print_mended_wrongly_first_is_mended_again(
    model: Model, clean: Mapping[str, bytes]
) -> None:
    store = run_days(model, DAYS[:7])
    for session, factor in zip(DAYS[7:10], (1.05, 0.97, 1.0), strict=True):
        assert run_day(model, store, session, printed(factor)).withheld == {}
    assert of_day(counted(store)) == of_day(counted(MemoryObjects(clean)))
    after = states(store)[-1].tracks[Mode.LIVE].tickers["SPY"]
    assert after.scored == 9
    assert is_whole(store)


def test_two_tickers_and_two_sessions_are_mended_at_once(
    model: Model, clean: Mapping[str, bytes]
) -> None:
    store = run_days(model, DAYS[:6])
    both = {t: scaled(raw, 1.04, slice(AT - 1, AT + 1)) for t, raw in market().items()}
    for session in DAYS[6:8]:
        assert run_day(model, store, session, both).withheld == {}
    run_day(model, store, DAYS[8], market())
    (part,) = read_manifests(store, DAYS[8])
    assert [c.session for c in part.corrected["QQQ"]] == DAYS[6:8]
    right = counted(MemoryObjects(clean))
    for key, row in counted(store).items():
        if row["target_date"] in DAYS[6:8] and row["origin_date"] < DAYS[6]:
            assert row == right[key]
    assert is_whole(store)


def test_a_split_since_changes_no_correction(model: Model, clean: Mapping[str, bytes]) -> None:
    store = run_days(model, DAYS[:7])
    run_day(model, store, DAY, printed())
    split = with_column(scaled(market()["SPY"], 0.5), "split", AT + 1, 2.0)
    run_day(model, store, DAYS[8], market(SPY=split))
    assert of_day(counted(store)) == of_day(counted(MemoryObjects(clean)))
    (correction,) = read_manifests(store, DAYS[8])[0].corrected["SPY"]
    assert correction.now == pytest.approx(market()["SPY"].close[AT] / 2)
    assert is_whole(store)


def test_what_a_source_rounds_is_not_corrected(model: Model) -> None:
    store = run_with_print(model, factor=1.004)
    assert all(not read_manifests(store, session)[0].corrected for session in DAYS)


def test_a_replay_makes_corrected_sessions_again(model: Model) -> None:
    store = run_with_print(model)
    for session in DAYS[7:10]:
        assert all(replayed.equal for replayed in replay(store, TABLES, CALENDAR, session))


@pytest.mark.parametrize("n", range(1, 9))
def test_a_run_that_dies_while_it_corrects_is_finished_to_the_same_bytes(
    model: Model, n: int
) -> None:
    whole, store = run_with_print(model, 9), run_with_print(model, 8)
    store.crash_after = store.writes + n
    with pytest.raises(Crash):
        run_day(model, store, DAYS[8], market())
    run(job_on(model, store, market()), evening(DAYS[8]) + timedelta(hours=1))
    assert store.objects == whole.objects


def test_scores_that_are_damaged_are_remade_and_corrected(model: Model) -> None:
    whole, store = run_with_print(model, 9), run_with_print(model, 8)
    del store.objects[scores_key("2024-12", DAY, 0)]
    told = run_day(model, store, DAYS[8], market())
    assert list(told.repairs.healed) == [scores_key("2024-12", DAY, 0)]
    assert counted(store) == counted(whole)
    assert is_whole(store)


def test_scores_that_are_lost_for_good_are_done_without(model: Model) -> None:
    store = run_with_print(model, 8)
    run_ = read_manifests(store, DAY)[0]
    for key in (run_.table("bars"), scores_key("2024-12", DAY, 0)):
        del store.objects[key]
        accept_loss(store, Loss(key, run_.objects[key], LONG_AFTER))
    told = run_day(model, store, DAYS[8], market())
    assert told.withheld == {}
    assert told.manifests[0].corrected == {}


def test_where_nothing_is_mended_nothing_more_is_read(model: Model) -> None:
    class Counting(MemoryObjects):
        scores = 0

        def read(self, key: str) -> bytes | None:
            # But those of the run itself, which its summary tells.
            self.scores += key.startswith("scores/") and str(DAYS[8]) not in key
            return super().read(key)

    store = Counting(run_days(model, DAYS[:8]).objects)
    run_day(model, store, DAYS[8], market())
    assert store.scores == 0
