"""Scenarios go together as outcomes did, and as they do today."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.scenarios.common_history import MIN_ORIGINS, find_groups
from pipeline.scenarios.dependence import rank_scenarios
from pipeline.scenarios.template import Template
from tests.support.templates import TICKERS, template

SEED = "2024-12-31"


def correlation(ranks: np.ndarray, a: int = 0, b: int = 3, horizon: int = 0) -> float:
    return float(np.corrcoef(ranks[:, a, horizon], ranks[:, b, horizon])[0, 1])


def ranks_of(of: Template, tickers: tuple[str, ...] = TICKERS) -> np.ndarray:
    return rank_scenarios(of, tickers, SEED)


def test_every_rank_comes_once() -> None:
    ranks = ranks_of(template())
    assert (np.sort(ranks, axis=0) == np.arange(1000)[:, None, None]).all()


def test_tickers_and_horizons_go_together_as_they_did() -> None:
    ranks = ranks_of(template())
    assert correlation(ranks) == pytest.approx(0.79, abs=0.05)
    paths = np.corrcoef(ranks[:, 0, 0], ranks[:, 0, 4])[0, 1]
    assert paths == pytest.approx(np.sqrt(1 / 5), abs=0.08)


def test_correlation_of_today_counts() -> None:
    rising = template(correlation=np.r_[np.full(850, 0.3), np.full(150, 0.9)])
    falling = template(correlation=np.r_[np.full(850, 0.9), np.full(150, 0.3)])
    for horizon in (0, 4):
        assert correlation(ranks_of(rising), horizon=horizon) > 0.75
        assert correlation(ranks_of(falling), horizon=horizon) < 0.5


def test_an_outcome_at_horizon_1_counts_before_the_others_are_known() -> None:
    whole = template(1004)
    newer = whole.levels.copy()
    for horizon in range(1, 5):
        newer[1004 - horizon :, :, horizon] = np.nan
    part = replace(whole, levels=newer)
    opposite = newer.copy()
    opposite[-1, 0, 0] = 1.0 - opposite[-1, 0, 0]
    changed = replace(whole, levels=opposite)
    assert (ranks_of(part) != ranks_of(changed)).any()


def test_other_tickers_drawn_beside_change_nothing() -> None:
    ranks = ranks_of(template())
    assert (ranks_of(template(), ("QQQ", "SPY")) == ranks[:, 2:]).all()
    with_new = ranks_of(template(), (*TICKERS, "XLF"))
    assert (with_new[:, :4] == ranks).all()


def test_a_ticker_without_history_is_independent_and_a_path() -> None:
    ranks = ranks_of(template(), ("SPY", "XLF"))
    assert abs(correlation(ranks, 0, 1)) < 0.1
    paths = np.corrcoef(ranks[:, 1, 3], ranks[:, 1, 4])[0, 1]
    assert paths == pytest.approx(np.sqrt(4 / 5), abs=0.05)


def test_no_history_at_all_is_independent() -> None:
    ranks = ranks_of(Template.empty(5))
    assert abs(correlation(ranks)) < 0.1


@pytest.mark.parametrize("known", [MIN_ORIGINS, 300])
def test_a_short_history_is_coupled_through_what_the_others_have_in_common(known: int) -> None:
    whole = template(correlation=0.8)
    levels = whole.levels.copy()
    levels[:-known, 1] = np.nan
    short = replace(whole, levels=levels)
    assert find_groups(short) == (TICKERS,)
    assert correlation(ranks_of(short), 1, 3) == pytest.approx(0.79, abs=0.15)


def test_fewer_origins_than_that_say_nothing() -> None:
    whole = template()
    levels = whole.levels.copy()
    levels[: -(MIN_ORIGINS - 1), 1] = np.nan
    short = replace(whole, levels=levels)
    assert find_groups(short) == (("DIA", "QQQ", "SPY"),)
    assert abs(correlation(ranks_of(short), 1, 3)) < 0.1


def apart(known: int, own: tuple[str, ...], common: int = 0) -> Template:
    """Four tickers whose origins end where those of others, the newest, begin."""
    whole = template(1000, (*TICKERS, *own))
    levels = whole.levels.copy()
    levels[:-known, len(TICKERS) :] = np.nan
    levels[-known : 1000 - common, : len(TICKERS)] = np.nan
    return replace(whole, levels=levels)


@pytest.mark.parametrize("n", [2, 14, 40])
@pytest.mark.parametrize("known", [MIN_ORIGINS, 250])
def test_tickers_go_together_whatever_others_did_before_them(known: int, n: int) -> None:
    own = tuple(f"T{at:02d}" for at in range(n))
    ranks = ranks_of(apart(known, own), (*own, *TICKERS))
    assert correlation(ranks, 0, n - 1) > 0.6
    assert correlation(ranks, n, n + 3) == pytest.approx(0.79, abs=0.05)
    assert abs(correlation(ranks, 0, n)) < 0.15


def test_tickers_that_others_joined_are_coupled_with_them() -> None:
    own = ("T0", "T1")
    ranks = ranks_of(apart(250, own, common=MIN_ORIGINS), (*own, *TICKERS))
    assert correlation(ranks, 0, 1) > 0.6
    assert correlation(ranks, 2, 5) > 0.7
    assert correlation(ranks, 0, 5) > 0.5


def test_a_hole_in_one_ticker_is_filled_from_the_others() -> None:
    whole = template()
    levels = whole.levels.copy()
    levels[500:520, 2] = np.nan
    ranks = ranks_of(replace(whole, levels=levels))
    assert correlation(ranks, 2, 3) == pytest.approx(correlation(ranks_of(whole), 2, 3), abs=0.01)


def test_short_templates_are_gone_through_again() -> None:
    assert correlation(ranks_of(template(80))) > 0.5


@pytest.mark.parametrize("n", [1, 17, 30])
def test_any_number_of_tickers_is_coupled(n: int) -> None:
    names = tuple(f"T{at:02d}" for at in range(n))
    ranks = rank_scenarios(template(300, names), names, SEED)
    assert ranks.shape == (1000, n, 5)
    if n > 1:
        assert correlation(ranks, 0, n - 1) > 0.6


def test_a_market_that_never_moves_is_drawn_all_the_same() -> None:
    still = template()
    ranks = ranks_of(replace(still, levels=np.full_like(still.levels, 0.5)))
    assert (np.sort(ranks, axis=0) == np.arange(1000)[:, None, None]).all()
