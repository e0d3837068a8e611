"""Running scores: each session counts once, the newest are kept one by one."""

from __future__ import annotations

import numpy as np

from pipeline.bars import Bars
from pipeline.columns import where
from pipeline.evaluation.score_table import FORECASTER
from pipeline.forecasting.model import Model
from pipeline.record.chain import find_head
from pipeline.record.running_scores import RECENT, RunningScores, add_scores
from pipeline.record.scoring import score_realised
from pipeline.record.state import State, read_state
from tests.support.fakes import MemoryObjects
from tests.support.records import (
    SESSIONS,
    TICKERS,
    market,
    run_day,
    run_days,
    table,
)


def read(store: MemoryObjects) -> State:
    head = find_head(store)
    assert head is not None
    return read_state(store, head.manifest)


def test_a_session_counts_once_when_a_ticker_comes_in_later(model: Model) -> None:
    store = run_days(model, SESSIONS[-9:-5])
    run_day(model, store, SESSIONS[-5], {"SPY": market()["SPY"]})
    run_days(model, SESSIONS[-4:], store=store)
    late = read(store).tracks["live"]
    clean = read(run_days(model, SESSIONS[-9:])).tracks["live"]
    assert late.sessions == clean.sessions == 8
    assert late.tickers["SPY"] == clean.tickers["SPY"]
    # QQQ was withheld in one session, of whose forecasts there is nothing to score.
    assert late.tickers["QQQ"].scored == clean.tickers["QQQ"].scored - 1


def test_a_session_in_sample_counts_once_when_a_ticker_comes_in_later(model: Model) -> None:
    scores, issued = one_session(model)
    scores["in_sample"] = np.full(len(scores["ticker"]), True)
    track = RunningScores()
    for ticker in TICKERS:
        rows = scores["ticker"] == ticker
        track = add_scores(track, where(scores, rows), where(issued, rows))
    assert list(track.tickers) == list(TICKERS)
    assert (track.sessions, track.in_sample) == (1, 1)


def test_only_the_last_250_sessions_are_kept_one_by_one(model: Model) -> None:
    scored_rows, issued = one_session(model)
    track = RunningScores()
    for _ in range(RECENT + 7):
        track = add_scores(track, scored_rows, issued)
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
    known = [Bars.validate(raw) for raw in market().values()]
    found = score_realised(both, known)
    assert found is not None
    return dict(found.scores), dict(found.issued)
