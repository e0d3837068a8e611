"""Slices of the scores: what counts, what is left out, and figures against a naive reckoning."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pytest

from pipeline.columns import concatenate, where
from pipeline.evaluation.significance import coverage_bounds
from pipeline.record.manifest import Mode
from pipeline.views.slice import summarise_slice
from tests.support.builders import scores_table

LIVE, BACKFILL, AS_OF = Mode.LIVE, Mode.BACKFILL, Mode.AS_OF


def scores(n: int = 250, tickers: tuple[str, ...] = ("SPY", "QQQ"), **changed: Any) -> Any:
    """Return the record's scores of a forecaster beside a baseline twice as wide."""
    rows = scores_table({"forecaster": 1.0, "garch_t": 2.0}, tickers, n)
    size = len(rows["ticker"])
    return {
        **rows,
        "mode": np.full(size, "live", object),
        "in_sample": np.zeros(size, bool),
        "lower_95": np.full(size, 390.0),
        "upper_95": np.full(size, 410.0),
        **changed,
    }


def of(rows: Any, **values: Any) -> Any:
    chosen = np.ones(len(rows["ticker"]), bool)
    for name, value in values.items():
        chosen &= rows[name] == value
    return where(rows, chosen)


def test_figures_are_those_of_the_rows_of_one_horizon() -> None:
    rows = scores()
    ours, theirs = (of(rows, model=model, horizon=3) for model in ("forecaster", "garch_t"))
    figures = summarise_slice(rows, 3, (80, 95))
    assert figures.pooled is not None
    assert figures.pooled.forecasts == len(ours["crps"])
    assert figures.pooled.crps == pytest.approx(ours["crps"].mean(), abs=1e-9)
    assert figures.pooled.mean_error == pytest.approx(ours["error"].mean(), abs=1e-9)
    assert figures.pooled.coverage["80"].coverage == pytest.approx(ours["covered_80"].mean())
    assert set(figures.pooled.coverage) == {"80", "95"}
    against = figures.pooled.against["garch_t"]
    assert against.crps == pytest.approx(ours["crps"].sum() / theirs["crps"].sum())
    assert against.crps < 1
    days = [day.item() for day in (ours["target_date"].min(), ours["target_date"].max())]
    assert [figures.pooled.first_target, figures.pooled.last_target] == days


def test_each_ticker_has_its_own_figures_and_all_together_theirs() -> None:
    rows = scores()
    figures = summarise_slice(rows, 1)
    assert list(figures.tickers) == ["QQQ", "SPY"]
    for ticker, each in figures.tickers.items():
        ours = of(rows, model="forecaster", horizon=1, ticker=ticker)
        assert each.crps == pytest.approx(ours["crps"].mean(), abs=1e-9)
        alone = summarise_slice(of(rows, ticker=ticker), 1)
        assert alone.tickers[ticker] == alone.pooled == each


def test_a_baseline_counts_on_the_rows_that_both_have() -> None:
    rows = scores()
    theirs = (rows["model"] == "garch_t") & (rows["origin_date"] < np.datetime64("2024-10-01"))
    fewer = where(rows, (rows["model"] == "forecaster") | theirs)
    shuffled = np.random.default_rng(3).permutation(len(fewer["ticker"]))
    fewer = {name: column[shuffled] for name, column in fewer.items()}
    against = summarise_slice(fewer, 1).pooled.against  # type: ignore[union-attr]
    assert list(against) == ["garch_t"]
    both = where(rows, rows["origin_date"] < np.datetime64("2024-10-01"))
    ours, garch = (of(both, model=model, horizon=1) for model in ("forecaster", "garch_t"))
    assert against["garch_t"].forecasts == len(ours["crps"])
    expected = ours["interval_score_95"].sum() / garch["interval_score_95"].sum()
    assert against["garch_t"].interval_score_95 == pytest.approx(expected)


def test_chance_is_of_sessions_that_do_not_overlap_and_not_of_tickers() -> None:
    for horizon in (1, 5):
        share = summarise_slice(scores(), horizon).pooled.coverage["95"]  # type: ignore[union-attr]
        alone = summarise_slice(scores(tickers=("SPY",)), horizon).pooled.coverage["95"]  # type: ignore[union-attr]
        assert share.sessions == alone.sessions
        bounds = coverage_bounds(share.sessions // horizon, 0.95)
        assert (share.lower, share.upper) == pytest.approx(bounds)


def marked(**counts: int) -> Any:
    """Return scores whose sessions, oldest first, have these modes, that many sessions each."""
    rows = scores()
    days = np.unique(rows["target_date"])
    ends = np.cumsum([0, *counts.values()])
    for name, first, last in zip(counts, ends, ends[1:], strict=False):
        inside = np.isin(rows["target_date"], days[first:last])
        if name == "in_sample":
            rows["in_sample"] |= inside
            rows["mode"][inside] = "backfill"
        else:
            rows["mode"][inside] = name
    return where(rows, np.isin(rows["target_date"], days[: ends[-1]]))


def test_live_forecasts_count_where_there_are_any() -> None:
    rows = marked(backfill=100, live=3, as_of=20)
    figures = summarise_slice(rows, 1)
    assert figures.modes == (LIVE,)
    assert figures.pooled and figures.pooled.forecasts == 6
    assert set(figures.left_out) == {"backfill", "as_of"}
    assert figures.left_out["as_of"] == 40


def test_else_the_newest_others_do() -> None:
    assert summarise_slice(marked(backfill=100, as_of=5), 1).modes == (AS_OF,)
    assert summarise_slice(marked(as_of=100, backfill=5), 1).modes == (BACKFILL,)


def test_modes_are_mixed_only_if_asked_for() -> None:
    rows = marked(backfill=50, live=30)
    every = summarise_slice(rows, 1, modes=tuple(Mode))
    assert every.modes == (LIVE, BACKFILL)
    assert every.left_out == {}
    assert summarise_slice(rows, 1, modes=(AS_OF,)).pooled is None


def test_in_sample_forecasts_count_only_if_asked_for_and_never_silently() -> None:
    rows = marked(in_sample=60, backfill=40)
    figures = summarise_slice(rows, 1)
    learnt = int(of(rows, model="forecaster", horizon=1, in_sample=True)["in_sample"].sum())
    assert figures.left_out == {"in_sample": learnt}
    assert figures.in_sample == 0
    every = summarise_slice(rows, 1, in_sample=True)
    assert (every.in_sample, every.left_out) == (learnt, {})
    assert every.pooled and figures.pooled
    assert every.pooled.forecasts == figures.pooled.forecasts + learnt


def test_the_worst_miss_is_the_furthest_of_those_outside() -> None:
    rows = scores()
    at = np.flatnonzero((rows["model"] == "forecaster") & (rows["horizon"] == 1))
    rows["covered_95"][at] = True
    rows["covered_95"][at[[5, 7, 9]]] = False
    rows["error"][at] = 0.5
    rows["error"][at[[5, 7, 9]]] = (0.01, -0.03, 0.02)
    worst = summarise_slice(rows, 1).pooled.worst_miss  # type: ignore[union-attr]
    assert worst is not None
    assert (worst.ticker, worst.error) == (rows["ticker"][at[7]], -0.03)
    assert worst.target_date == rows["target_date"][at[7]].item()
    assert isinstance(worst.target_date, date)
    rows["covered_95"][at] = True
    assert summarise_slice(rows, 1).pooled.worst_miss is None  # type: ignore[union-attr]


def test_a_slice_of_nothing_has_no_figures() -> None:
    none = where(scores(), np.zeros(len(scores()["ticker"]), bool))
    figures = summarise_slice(none, 1)
    assert (figures.pooled, figures.tickers, figures.left_out) == (None, {}, {})


def test_many_tickers_are_summarised_alike() -> None:
    one = scores(260, ("SPY",))
    many = concatenate([one | {"ticker": np.full_like(one["ticker"], f"T{n}")} for n in range(30)])
    figures = summarise_slice(many, 1)
    assert len(figures.tickers) == 30
    assert {each.crps for each in figures.tickers.values()} == {figures.tickers["T0"].crps}
