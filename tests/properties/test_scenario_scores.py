"""Scores of scenarios are a function of the scenarios and of closes up to the target alone."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.bars import PRICES, Bars, RawBars
from pipeline.columns import Columns
from pipeline.record.issued_scenarios import IssuedScenarios
from pipeline.record.manifest import Mode
from pipeline.record.scenario_scores import MOST_PAIRED, Outcomes, score_scenarios
from pipeline.scenarios.draw import draw_scenarios
from pipeline.scenarios.portfolios import JOINT
from pipeline.scenarios.score_draw import NUMBERS
from tests.support.records import SESSIONS, market, without
from tests.support.templates import TICKERS, quantiles, template

NAMES = (*TICKERS, "XLF")
AT = len(SESSIONS) - 20
ORIGIN, TARGETS = SESSIONS[AT], SESSIONS[AT + 1 : AT + 6]


@cache
def bars() -> dict[str, RawBars]:
    return market(NAMES)


@cache
def issued(tickers: tuple[str, ...] = NAMES) -> IssuedScenarios:
    closes = np.array([bars()[ticker].close[AT] for ticker in tickers])
    drawn = draw_scenarios(tickers, closes, quantiles(len(tickers)), ORIGIN, TARGETS, template(200))
    return IssuedScenarios(0, Mode.LIVE, True, False, "2018-12-31-abc", drawn)


def score(of: IssuedScenarios, horizon: int, read: dict[str, RawBars]) -> Columns:
    fit = {ticker: Bars.validate(raw) for ticker, raw in read.items()}
    scores = score_scenarios(of, horizon, Outcomes(fit, read))
    assert scores is not None
    return scores.columns


def changed_from(raw: RawBars, at: int, seed: int) -> RawBars:
    """The bars with other prices from a session on."""
    factor = np.exp(np.random.default_rng(seed).normal(0, 0.01, len(raw) - at).cumsum())
    prices = {name: getattr(raw, name).copy() for name in PRICES}
    for values in prices.values():
        values[at:] *= factor
    return replace(raw, **prices)


@settings(max_examples=15, deadline=None)
@given(order=st.permutations(NAMES), n=st.integers(2, 5), horizon=st.sampled_from([1, 5]))
def test_the_order_of_tickers_changes_nothing(order: list[str], n: int, horizon: int) -> None:
    of = issued(tuple(sorted(order[:n])))
    at = [of.cube.tickers.index(ticker) for ticker in order[:n]]
    turned = replace(
        of.cube,
        tickers=tuple(order[:n]),
        last_close=of.cube.last_close[at],
        log_return=of.cube.log_return[:, at],
    )
    ours, theirs = score(of, horizon, bars()), score(replace(of, cube=turned), horizon, bars())
    assert ours["portfolio"].tolist() == theirs["portfolio"].tolist()
    for name in NUMBERS:
        assert theirs[name] == pytest.approx(ours[name], abs=1e-9, nan_ok=True)


@settings(max_examples=15, deadline=None)
@given(later=st.integers(1, 14), seed=st.integers(0, 999), horizon=st.sampled_from([1, 5]))
def test_closes_after_the_target_change_no_bit(later: int, seed: int, horizon: int) -> None:
    after = {t: changed_from(raw, AT + horizon + later, seed) for t, raw in bars().items()}
    ours, theirs = (score(issued(), horizon, read) for read in (bars(), after))
    for name in ours:
        assert np.array_equal(ours[name], theirs[name], equal_nan=ours[name].dtype.kind == "f")


@settings(max_examples=15, deadline=None)
@given(at=st.integers(AT + 1, AT + 5), seed=st.integers(0, 999))
def test_others_know_nothing_of_what_came_after_the_origin(at: int, seed: int) -> None:
    """What they expect, VaR and ES, is of the past; only what was realised differs."""
    other = {t: changed_from(raw, at, seed) for t, raw in bars().items()}
    ours, theirs = (score(issued(), 5, read) for read in (bars(), other))
    for name in (name for name in NUMBERS if name.startswith(("var_", "es_"))):
        assert np.array_equal(ours[name], theirs[name], equal_nan=True)


@settings(max_examples=10, deadline=None)
@given(ticker=st.sampled_from(NAMES), horizon=st.sampled_from([1, 5]))
def test_without_a_close_of_each_nothing_is_scored(ticker: str, horizon: int) -> None:
    read = bars() | {ticker: without(bars()[ticker], TARGETS[horizon - 1])}
    fit = {name: Bars.validate(raw) for name, raw in read.items()}
    assert score_scenarios(issued(), horizon, Outcomes(fit, read)) is None
    del fit[ticker]
    assert score_scenarios(issued(), horizon, Outcomes(fit, read)) is None


@pytest.mark.parametrize("n", [MOST_PAIRED, MOST_PAIRED + 1])
def test_tickers_are_compared_two_by_two_while_they_are_few(n: int) -> None:
    names = tuple(f"T{at:02d}" for at in range(n))
    read = market(names)
    closes = np.array([read[name].close[AT] for name in names])
    cube = draw_scenarios(names, closes, quantiles(n), ORIGIN, TARGETS, template(5))
    columns = score(replace(issued(), cube=cube), 1, read)
    joint = columns["portfolio"] == JOINT
    assert np.isfinite(columns["energy_score"][joint]).all()
    assert np.isfinite(columns["variogram_score"][joint]).all() == (n <= MOST_PAIRED)
