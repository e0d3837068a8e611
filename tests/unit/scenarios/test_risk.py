"""VaR and ES are those of the scenarios, and what tickers add to them adds up."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.scenarios.risk import TAIL_LEVELS, compute_gains, find_worst, measure_tail
from tests.support.scenarios import cube

AMOUNTS = np.array([10_000.0, -4_000.0, 7_000.0])
GAINS = compute_gains(cube().log_return[:, :, 0], AMOUNTS)


def test_a_gain_is_the_amount_times_the_simple_return() -> None:
    returns = np.log(np.array([[1.1, 0.5]])).astype(np.float32)
    assert compute_gains(returns, np.array([100.0, -10.0])) == pytest.approx(np.array([[10, 5]]))


@pytest.mark.parametrize("level", TAIL_LEVELS)
def test_var_is_the_quantile_of_the_losses_and_es_the_mean_of_the_worst(level: float) -> None:
    tail, losses = measure_tail(GAINS, level), np.sort(-GAINS.sum(axis=1))
    assert tail.var == np.quantile(losses, level)
    assert tail.es == pytest.approx(losses[-round(1000 * (1 - level)) :].mean(), rel=1e-12)


def test_of_a_tail_that_is_no_whole_number_the_mildest_counts_in_part() -> None:
    gains = -np.arange(1.0, 51.0)[:, None]  # the worst 1.25 of 50
    assert measure_tail(gains, 0.975).es == pytest.approx((50 + 0.25 * 49) / 1.25)
    assert measure_tail(gains[:10], 0.99).es == 10.0


@pytest.mark.parametrize("level", TAIL_LEVELS)
def test_what_tickers_add_is_their_mean_loss_in_those_scenarios(level: float) -> None:
    tail, book = measure_tail(GAINS, level), GAINS.sum(axis=1)
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
    gains = compute_gains(returns, np.array(amounts))
    tail, scale = measure_tail(gains, level), np.abs(gains).sum(axis=1).max()
    assert abs(tail.var_shares.sum() - tail.var) <= 1e-9 * scale
    assert abs(tail.es_shares.sum() - tail.es) <= 1e-9 * scale
    assert tail.es >= tail.var - 1e-9 * scale
    assert tail.var_error >= 0
    assert tail.es_error >= 0


def test_a_book_twice_as_large_has_twice_the_risk_and_shares_follow_their_tickers() -> None:
    once, twice = measure_tail(GAINS, 0.99), measure_tail(2 * GAINS, 0.99)
    assert twice.var_shares == pytest.approx(2 * once.var_shares)
    order = [2, 0, 1]
    assert measure_tail(GAINS[:, order], 0.99).var_shares == pytest.approx(once.var_shares[order])


@pytest.mark.parametrize("level", TAIL_LEVELS)
def test_errors_are_the_spread_of_many_such_draws(level: float) -> None:
    random = np.random.default_rng(1)
    tails = [measure_tail(random.normal(size=(1000, 1)), level) for _ in range(400)]
    for name in ("var", "es"):
        spread = np.std([getattr(tail, name) for tail in tails])
        assert np.mean([getattr(tail, f"{name}_error") for tail in tails]) == pytest.approx(
            spread, rel=0.15
        )
    assert np.mean([t.var for t in tails]) == pytest.approx(NormalDist().inv_cdf(level), abs=0.02)


def test_the_worst_scenarios_are_named_by_their_numbers_the_worst_first() -> None:
    gains = np.array([[1.0], [-3.0], [0.0], [-5.0]])
    assert find_worst(gains, 2).tolist() == [3, 1]
