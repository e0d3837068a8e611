"""The track record says what a reader can count from the scores themselves."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from pipeline.baselines.names import ISSUED
from pipeline.evaluation.e_values import NO_EVIDENCE, e_value, largest_difference, place_bet
from pipeline.evaluation.score_table import FORECASTER
from pipeline.evaluation.significance import coverage_bounds, diebold_mariano, hac_lags
from pipeline.forecasting.levels import INTERVALS
from pipeline.forecasting.model import Model
from pipeline.record.chain import Link, find_head
from pipeline.record.scoring import recover_quantiles
from pipeline.record.state import State, read_state
from pipeline.views.track_record import build_track_record, select_headline
from tests.support.fakes import FixedCalendar, MemoryObjects
from tests.support.records import (
    CALENDAR,
    SESSIONS,
    TICKERS,
    backfilled,
    market,
    run_day,
    run_days,
    scores_of,
    table,
    with_column,
    without,
)
from tests.support.track_records import mode_figures, track_record

SPAN = SESSIONS[-100:]


@pytest.fixture(scope="module")
def store(model: Model) -> MemoryObjects:
    return backfilled(model, SPAN[0], SPAN[-1])


def read(store: MemoryObjects) -> tuple[State, Link]:
    head = find_head(store)
    assert head is not None
    return read_state(store, head.manifest), head


@pytest.fixture(scope="module")
def record(store: MemoryObjects) -> dict[str, object]:
    return msgspec.json.decode(store.objects["track_record.json"])


def of_horizon_1(store: MemoryObjects, ticker: str, model: str, name: str) -> np.ndarray:
    rows = scores_of(store)
    dated = sorted(
        (at[1], row[name]) for at, row in rows.items() if at[::2] == (ticker, 1) and at[3] == model
    )
    return np.array([value for _, value in dated], np.float64)


def test_the_view_is_the_record_of_the_newest_state(store: MemoryObjects, record: dict) -> None:
    assert record == msgspec.json.decode(msgspec.json.encode(build_track_record(*read(store))))
    assert list(record["modes"]) == ["backfill"]
    assert record["manifest"]["key"] == f"runs/{SPAN[-1]}.00.json"


def test_coverage_is_the_share_of_scored_sessions_inside(
    store: MemoryObjects, record: dict
) -> None:
    figures = record["modes"]["backfill"]
    assert figures["sessions"] == len(SPAN) - 1
    for ticker in TICKERS:
        of_ticker = figures["tickers"][ticker]
        assert of_ticker["scored"] == len(SPAN) - 1
        for nominal in INTERVALS:
            inside = of_horizon_1(store, ticker, FORECASTER, f"covered_{nominal}")
            found = of_ticker["coverage"][str(nominal)]
            assert found["all"]["coverage"] == pytest.approx(inside.mean())
            assert found["60"]["coverage"] == pytest.approx(inside[-60:].mean())
            assert (found["60"]["sessions"], found["250"]["sessions"]) == (60, len(SPAN) - 1)
            bounds = coverage_bounds(60, nominal / 100)
            assert (found["60"]["lower"], found["60"]["upper"]) == pytest.approx(bounds)


def test_pooled_bounds_count_sessions_and_not_tickers(record: dict) -> None:
    pooled = record["modes"]["backfill"]["pooled"]["coverage"]["95"]["60"]
    assert pooled["sessions"] == 60
    assert (pooled["lower"], pooled["upper"]) == pytest.approx(coverage_bounds(60, 0.95))


@pytest.mark.parametrize("baseline", ISSUED)
def test_skill_is_1_minus_the_ratio_of_crps(
    store: MemoryObjects, record: dict, baseline: str
) -> None:
    for ticker in TICKERS:
        ours = of_horizon_1(store, ticker, FORECASTER, "crps")
        theirs = of_horizon_1(store, ticker, baseline, "crps")
        found = record["modes"]["backfill"]["tickers"][ticker]["skill"][baseline]
        assert found["all"]["skill"] == pytest.approx(1 - ours.sum() / theirs.sum())
        # Recent CRPS are kept in units of 1e-7 of log return.
        assert found["60"]["skill"] == pytest.approx(
            1 - ours[-60:].sum() / theirs[-60:].sum(), abs=1e-4
        )
        t, _ = diebold_mariano(ours[-60:], theirs[-60:], lags=hac_lags(60, 1))
        assert found["60"]["t"] == pytest.approx(t, rel=1e-2, abs=1e-2)


def test_the_e_value_is_that_of_the_bets_of_each_session(
    store: MemoryObjects, record: dict
) -> None:
    rows, scores = table(store, "baselines"), scores_of(store)
    ours_rows = table(store, "forecasts")
    ours = dict(zip(keys(ours_rows), recover_quantiles(ours_rows), strict=True))
    log_wealth = np.array(NO_EVIDENCE)
    garch = rows["model"] == "garch_t"
    theirs_rows = {name: column[garch] for name, column in rows.items()}
    theirs = dict(zip(keys(theirs_rows), recover_quantiles(theirs_rows), strict=True))
    for origin in SPAN[:-1]:
        pairs = [(ticker, origin, 1) for ticker in TICKERS]
        gain = sum(scores[*at, "garch_t"]["crps"] - scores[*at, FORECASTER]["crps"] for at in pairs)
        bound = sum(float(largest_difference(ours[at], theirs[at])) for at in pairs)
        log_wealth = place_bet(log_wealth, gain, bound)
    found = record["modes"]["backfill"]["e_values"]["garch_t"]
    assert found == pytest.approx(e_value(log_wealth), rel=1e-9)


def keys(rows: dict[str, np.ndarray]) -> list[tuple[str, object, int]]:
    names = ("ticker", "origin_date", "horizon")
    return list(zip(*(rows[name].tolist() for name in names), strict=True))


def test_alarms_watch_live_figures_if_there_are_any() -> None:
    backfill, live = mode_figures(0.95, 0.03), mode_figures(0.5, -0.1)
    assert select_headline(None) == select_headline(track_record()) == {}
    assert select_headline(track_record(backfill=backfill)) == {
        "coverage_95_250": 0.95,
        "crps_skill_60": 0.03,
    }
    both = track_record(backfill=backfill, live=live)
    assert select_headline(both)["coverage_95_250"] == 0.5


def test_alarms_watch_nothing_that_a_few_sessions_moved(store: MemoryObjects) -> None:
    assert set(select_headline(build_track_record(*read(store)))) == {"crps_skill_60"}
    recent = mode_figures(0.5, -0.1, sessions=249)
    assert select_headline(track_record(live=recent)) == {"crps_skill_60": -0.1}
    few = mode_figures(0.5, -0.1, sessions=59)
    assert select_headline(track_record(live=few)) == {}


def test_what_was_issued_live_stays_apart_from_a_backfill(model: Model) -> None:
    store = backfilled(model, SESSIONS[-9], SESSIONS[-5])
    run_days(model, SESSIONS[-4:], store=store)
    modes = msgspec.json.decode(store.objects["track_record.json"])["modes"]
    assert {mode: one["sessions"] for mode, one in modes.items()} == {"backfill": 5, "live": 3}
    assert modes["live"]["first_session"] == str(SESSIONS[-3])


def test_a_baseline_without_a_forecast_is_left_out_of_the_comparison(model: Model) -> None:
    # Older than what a forecast needs, and one of those that a baseline sees.
    broken = market(QQQ=with_column(market()["QQQ"], "close", -200, -1.0))
    store = run_days(model, SESSIONS[-5:], bars=broken)
    modes = msgspec.json.decode(store.objects["track_record.json"])["modes"]
    tickers = modes["live"]["tickers"]
    assert tickers["QQQ"]["skill"] == dict.fromkeys(ISSUED, {})
    assert tickers["QQQ"]["coverage"]["95"]["all"]["sessions"] == 4
    assert modes["live"]["pooled"]["skill"]["garch_t"]["all"]["sessions"] == 4


def test_a_first_target_on_a_closure_that_nobody_announced_breaks_nothing(model: Model) -> None:
    closed = SESSIONS[-2]
    known = FixedCalendar([day for day in CALENDAR.sessions if day != closed])
    bars = {ticker: without(raw, closed) for ticker, raw in market().items()}
    store = run_days(model, [SESSIONS[-3]], bars=market())
    told = run_day(model, store, SESSIONS[-1], bars, calendar=known)
    assert told.withheld == {}
    modes = msgspec.json.decode(store.objects["track_record.json"])["modes"]
    assert modes == {}
    assert {at[2] for at in scores_of(store)} == {2}
