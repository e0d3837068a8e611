"""The track record says what a reader can count from the scores themselves."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from pipeline.bars import Bars
from pipeline.baselines.names import ISSUED
from pipeline.columns import where
from pipeline.evaluation.e_values import NO_EVIDENCE, after_bet, e_value, largest_difference
from pipeline.evaluation.score_table import FORECASTER
from pipeline.evaluation.significance import coverage_bounds, diebold_mariano, hac_lags
from pipeline.forecasting.levels import INTERVALS
from pipeline.forecasting.model import Model
from pipeline.record.chain import Link, newest
from pipeline.record.running_scores import RECENT, Track, extended
from pipeline.record.scoring import published_quantiles, score_realised
from pipeline.record.state import State, read_state
from pipeline.views.track_record import headline, track_record
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
    without,
)

SPAN = SESSIONS[-100:]


@pytest.fixture(scope="module")
def store(model: Model) -> MemoryObjects:
    return backfilled(model, SPAN[0], SPAN[-1])


def read(store: MemoryObjects) -> tuple[State, Link]:
    head = newest(store)
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
    assert record == msgspec.json.decode(msgspec.json.encode(track_record(*read(store))))
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
    ours = dict(zip(keys(ours_rows), published_quantiles(ours_rows), strict=True))
    log_wealth = np.array(NO_EVIDENCE)
    garch = rows["model"] == "garch_t"
    theirs_rows = {name: column[garch] for name, column in rows.items()}
    theirs = dict(zip(keys(theirs_rows), published_quantiles(theirs_rows), strict=True))
    for origin in SPAN[:-1]:
        pairs = [(ticker, origin, 1) for ticker in TICKERS]
        gain = sum(scores[*at, "garch_t"]["crps"] - scores[*at, FORECASTER]["crps"] for at in pairs)
        bound = sum(float(largest_difference(ours[at], theirs[at])) for at in pairs)
        log_wealth = after_bet(log_wealth, gain, bound)
    found = record["modes"]["backfill"]["e_values"]["garch_t"]
    assert found == pytest.approx(e_value(log_wealth), rel=1e-9)


def keys(rows: dict[str, np.ndarray]) -> list[tuple[str, object, int]]:
    names = ("ticker", "origin_date", "horizon")
    return list(zip(*(rows[name].tolist() for name in names), strict=True))


def made_up(sessions: int, coverage: float, skill: float) -> dict:
    figures = {"sessions": sessions, "coverage": coverage}
    return {
        "pooled": {
            "coverage": {"95": {"250": figures}},
            "skill": {"garch_t": {"60": {"sessions": min(sessions, 60), "skill": skill}}},
        }
    }


def test_alarms_watch_live_figures_if_there_are_any() -> None:
    backfill, live = made_up(250, 0.95, 0.03), made_up(250, 0.5, -0.1)
    assert headline({"modes": {}}) == {}
    assert headline({"modes": {"backfill": backfill}}) == {
        "coverage_95_250": 0.95,
        "crps_skill_60": 0.03,
    }
    assert headline({"modes": {"backfill": backfill, "live": live}})["coverage_95_250"] == 0.5


def test_alarms_watch_nothing_that_a_few_sessions_moved(record: dict) -> None:
    assert set(headline(record)) == {"crps_skill_60"}
    assert headline({"modes": {"live": made_up(249, 0.5, -0.1)}}) == {"crps_skill_60": -0.1}
    assert headline({"modes": {"live": made_up(59, 0.5, -0.1)}}) == {}


def test_what_was_issued_live_stays_apart_from_a_backfill(model: Model) -> None:
    store = backfilled(model, SESSIONS[-9], SESSIONS[-5])
    run_days(model, SESSIONS[-4:], store=store)
    modes = msgspec.json.decode(store.objects["track_record.json"])["modes"]
    assert {mode: one["sessions"] for mode, one in modes.items()} == {"backfill": 5, "live": 3}
    assert modes["live"]["first_session"] == str(SESSIONS[-3])


def test_a_session_counts_once_when_a_ticker_comes_in_later(model: Model) -> None:
    store = run_days(model, SESSIONS[-9:-5])
    run_day(model, store, SESSIONS[-5], {"SPY": market()["SPY"]})
    run_days(model, SESSIONS[-4:], store=store)
    late = read(store)[0].tracks["live"]
    clean = read(run_days(model, SESSIONS[-9:]))[0].tracks["live"]
    assert late.sessions == clean.sessions == 8
    assert late.tickers["SPY"] == clean.tickers["SPY"]
    # QQQ was withheld in one session, of whose forecasts there is nothing to score.
    assert late.tickers["QQQ"].scored == clean.tickers["QQQ"].scored - 1


def test_a_session_in_sample_counts_once_when_a_ticker_comes_in_later(model: Model) -> None:
    scores, issued = one_session(model)
    issued["model_version"] = np.full(len(issued["ticker"]), "2030-01-02-made", object)
    track = Track()
    for ticker in TICKERS:
        rows = scores["ticker"] == ticker
        track = extended(track, where(scores, rows), where(issued, rows))
    assert list(track.tickers) == list(TICKERS)
    assert (track.sessions, track.in_sample) == (1, 1)


def test_only_the_last_250_sessions_are_kept_one_by_one(model: Model) -> None:
    scored_rows, issued = one_session(model)
    track = Track()
    for _ in range(RECENT + 7):
        track = extended(track, scored_rows, issued)
    one = track.tickers["SPY"]
    assert one.scored == RECENT + 7
    assert len(one.recent_sessions) == RECENT
    assert {len(flags) for flags in one.recent_covered.values()} == {RECENT}
    assert {len(values) for values in one.recent_crps.values()} == {RECENT}


def one_session(model: Model) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    store = run_days(model, SESSIONS[-2:-1])
    ours = dict(table(store, "forecasts"))
    ours["model"] = np.full(len(ours["ticker"]), FORECASTER, object)
    both = {n: np.r_[ours[n], column] for n, column in table(store, "baselines").items()}
    known = [Bars.validated(raw) for raw in market().values()]
    found = score_realised(both, np.full(len(both["ticker"]), "live", object), known)
    assert found is not None
    return dict(found.scores), dict(found.issued)


def test_a_baseline_without_a_forecast_is_left_out_of_the_comparison(model: Model) -> None:
    short = market(QQQ=market()["QQQ"].tail(200))
    store = run_days(model, SESSIONS[-5:], bars=short)
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
