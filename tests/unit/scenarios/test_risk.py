"""VaR and ES are those of the scenarios, and what tickers add to them adds up."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.scenarios.risk import TAIL_LEVELS, RankedGains, TailRisk, measure_tail, rank_gains
from tests.support.scenarios import cube

AMOUNTS = np.array([10_000.0, -4_000.0, 7_000.0])
RETURNS = cube().log_return[:, :, 0]
GAINS = AMOUNTS * np.expm1(RETURNS.astype(float))


def tail_of(gains: np.ndarray, level: float) -> TailRisk:
    order = np.argsort(gains.sum(axis=1), kind="stable")
    return measure_tail(RankedGains(gains[order], gains.sum(axis=1)[order], order), level)


def test_a_gain_is_the_amount_times_the_simple_return_the_worst_first() -> None:
    returns = np.log(np.array([[1.1, 0.5], [0.9, 1.5], [1.0, 1.0]])).astype(np.float32)
    ranked = rank_gains(returns, np.array([100.0, -10.0]))
    assert ranked.of_tickers == pytest.approx(np.array([[-10, -5], [0, 0], [10, 5]]))
    assert ranked.of_book == pytest.approx(np.array([-15, 0, 15]))
    assert ranked.scenarios.tolist() == [1, 2, 0]
    assert ranked.quantile(0.75) == pytest.approx(7.5)


@pytest.mark.parametrize("level", TAIL_LEVELS)
def test_var_is_the_quantile_of_the_losses_and_es_the_mean_of_the_worst(level: float) -> None:
    tail, losses = tail_of(GAINS, level), np.sort(-GAINS.sum(axis=1))
    assert tail.var == pytest.approx(np.quantile(losses, level), rel=1e-12)
    assert tail.es == pytest.approx(losses[-round(1000 * (1 - level)) :].mean(), rel=1e-12)


def test_of_a_tail_that_is_no_whole_number_the_mildest_counts_in_part() -> None:
    gains = -np.arange(1.0, 51.0)[:, None]  # the worst 1.25 of 50
    assert tail_of(gains, 0.975).es == pytest.approx((50 + 0.25 * 49) / 1.25)
    assert tail_of(gains[:10], 0.99).es == 10.0


@pytest.mark.parametrize("level", TAIL_LEVELS)
def test_what_tickers_add_is_their_mean_loss_in_those_scenarios(level: float) -> None:
    tail, book = tail_of(GAINS, level), GAINS.sum(axis=1)
    worst = np.argsort(book)[: round(1000 * (1 - level))]
    assert tail.es_shares == pytest.approx(-GAINS[worst].mean(axis=0), rel=1e-9)
    # Euler: with normal losses the share of VaR is proportional to the covariance with the book.
    by_covariance = np.cov(GAINS.T).sum(axis=1)
    expected = tail.var * by_covariance / by_covariance.sum()
    assert tail.var_shares == pytest.approx(expected, abs=0.25 * tail.var)


@given(
    seed=st.integers(0, 2**32 - 1),
    amounts=st.lists(st.floats(-1e15, 1e15), min_size=1, max_size=5),
    n=st.integers(1, 60),
    level=st.sampled_from(TAIL_LEVELS),
)
def test_shares_add_up_to_var_and_es_whatever_the_book(
    seed: int, amounts: list[float], n: int, level: float
) -> None:
    random = np.random.default_rng(seed)
    returns = random.normal(0, 0.02, (n, len(amounts))).round(2).astype(np.float32)
    ranked = rank_gains(returns, np.array(amounts))
    tail, scale = measure_tail(ranked, level), np.abs(ranked.of_tickers).sum(axis=1).max()
    assert abs(tail.var_shares.sum() - tail.var) <= 1e-9 * scale
    assert abs(tail.es_shares.sum() - tail.es) <= 1e-9 * scale
    assert tail.es >= tail.var - 1e-9 * scale
    assert tail.var_error >= 0
    assert tail.es_error >= 0


def test_a_book_twice_as_large_has_twice_the_risk_and_shares_follow_their_tickers() -> None:
    once, twice = tail_of(GAINS, 0.99), tail_of(2 * GAINS, 0.99)
    assert twice.var_shares == pytest.approx(2 * once.var_shares)
    order = [2, 0, 1]
    assert tail_of(GAINS[:, order], 0.99).var_shares == pytest.approx(once.var_shares[order])


@pytest.mark.parametrize("level", TAIL_LEVELS)
def test_errors_are_the_spread_of_many_such_draws(level: float) -> None:
    random = np.random.default_rng(1)
    tails = [tail_of(random.normal(size=(1000, 1)), level) for _ in range(400)]
    for name in ("var", "es"):
        spread = np.std([getattr(tail, name) for tail in tails])
        assert np.mean([getattr(tail, f"{name}_error") for tail in tails]) == pytest.approx(
            spread, rel=0.15
        )
    assert np.mean([t.var for t in tails]) == pytest.approx(NormalDist().inv_cdf(level), abs=0.02)


def test_a_share_of_var_is_of_the_scenarios_near_it_and_of_no_others() -> None:
    losses = np.arange(1000.0)
    first = np.minimum(losses, 980.0)  # beyond, it is the other that loses
    tail = tail_of(-np.column_stack([first, losses - first]), 0.95)
    assert tail.var_shares == pytest.approx(np.array([949.05, 0.0]), abs=1e-6)
