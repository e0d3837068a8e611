"""Evidence: while we are no better the capital is not expected to grow, however often one looks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.evaluation.e_values import NO_EVIDENCE, STAKES, e_value, largest_difference, place_bet
from pipeline.evaluation.scoring_rules import crps
from pipeline.forecasting.levels import LEVELS

LEVEL_GRID = np.array(LEVELS)
QUANTILES = arrays(np.float64, 11, elements=st.floats(-0.2, 0.2)).map(np.sort)


def paths(gains: np.ndarray, bound: float) -> np.ndarray:
    """The e-value after every session of every record (n_records, n_sessions)."""
    wealth = np.cumsum(np.log1p(STAKES * (gains / bound)[..., None]), axis=1)
    return np.exp(wealth).mean(axis=-1)


@settings(max_examples=150, deadline=None)
@given(ours=QUANTILES, theirs=QUANTILES)
def test_two_crps_never_differ_by_more_than_was_known_before(
    ours: np.ndarray, theirs: np.ndarray
) -> None:
    # Linear between two quantiles and constant beyond all, it is largest at one or beyond.
    realised = np.concatenate([ours, theirs, [-1.0, 1.0]])
    both = (np.tile(quantiles, (len(realised), 1)) for quantiles in (ours, theirs))
    first, second = (crps(quantiles, realised, LEVEL_GRID) for quantiles in both)
    assert np.abs(first - second).max() <= largest_difference(ours, theirs) + 1e-12


def test_the_bound_is_reached_so_that_no_stake_is_wasted() -> None:
    theirs = np.where(LEVEL_GRID < 0.5, 0.0, 0.01)
    ours = np.zeros(11)
    difference = crps(theirs, np.array(-1.0), LEVEL_GRID) - crps(ours, np.array(-1.0), LEVEL_GRID)
    bound = largest_difference(ours, theirs)
    assert 0 < abs(difference) <= bound
    assert abs(difference) > 0.1 * bound


def test_the_most_that_two_crps_can_differ_by_is_worked_by_hand() -> None:
    """Quantiles 1 % apart: 2 x 1 % x the mean of max(level, 1 - level), which is 9.63 / 11."""
    apart = largest_difference(np.zeros((2, 11)), np.array([[0.01], [-0.01]]))
    np.testing.assert_allclose(apart, 2 * 0.01 * 9.63 / 11)


def test_a_sure_win_and_a_sure_loss_are_worked_by_hand() -> None:
    """The eight stakes are 1.98 in sum, 0.988 in sum of squares; capital is spread evenly."""
    nothing = np.array(NO_EVIDENCE)
    won, lost = place_bet(nothing, 0.3, 0.3), place_bet(nothing, -0.3, 0.3)
    assert e_value(won) == pytest.approx(1 + 1.98 / 8)
    assert e_value(lost) == pytest.approx(1 - 1.98 / 8)
    assert e_value(place_bet(nothing, 0.15, 0.3)) == pytest.approx(1 + 0.5 * 1.98 / 8)
    assert e_value(place_bet(won, 0.3, 0.3)) == pytest.approx(1 + 2 * 1.98 / 8 + 0.988 / 8)


def test_betting_session_by_session_is_what_the_paths_do() -> None:
    gains = np.random.default_rng(3).uniform(-1, 1, 200)
    log_wealth = np.array(NO_EVIDENCE)
    for gain in gains:
        log_wealth = place_bet(log_wealth, gain, 2.0)
    assert e_value(log_wealth) == pytest.approx(paths(gains[None], 2.0)[0, -1])


def test_a_record_without_a_bet_is_no_evidence() -> None:
    assert e_value(np.array(NO_EVIDENCE)) == 1.0
    after = place_bet(np.array(NO_EVIDENCE), 0.0, 0.0)
    assert e_value(after) == 1.0


def test_a_gain_rounded_beyond_its_bound_loses_no_more_than_all() -> None:
    after = place_bet(np.array(NO_EVIDENCE), -1.0 - 1e-9, 1.0)
    np.testing.assert_allclose(np.exp(after), 1.0 - STAKES)


def test_a_gain_beyond_its_bound_wins_no_more_than_the_stake() -> None:
    after = place_bet(np.array(NO_EVIDENCE), 1.5, 1.0)
    np.testing.assert_allclose(np.exp(after), 1.0 + STAKES)


@pytest.mark.parametrize("spread", ["even", "rare and large"])
def test_while_we_are_no_better_20_is_passed_once_in_20_records_at_most(spread: str) -> None:
    random = np.random.default_rng(11)
    n = (4000, 500)
    gains = random.uniform(-1, 1, n)
    if spread == "rare and large":
        # Mostly a little better, rarely much worse: on average no better.
        gains = np.where(random.random(n) < 0.1, -0.9, 0.1)
    found = paths(gains, 1.0)
    error = found[:, -1].std() / np.sqrt(n[0])
    assert found[:, -1].mean() <= 1.0 + 3 * error
    often = (found.max(axis=1) >= 20.0).mean()
    assert often <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / n[0])


def test_a_coin_tossed_few_times_keeps_its_mean_of_1_closely() -> None:
    gains = np.random.default_rng(5).uniform(-1, 1, (20000, 3))
    final = paths(gains, 1.0)[:, -1]
    assert final.mean() == pytest.approx(1.0, abs=3 * final.std() / np.sqrt(20000))


def test_it_grows_when_we_are_better_and_shrinks_when_worse() -> None:
    noise = np.random.default_rng(2).normal(0, 0.1, (200, 500))
    better, worse = paths(noise + 0.02, 1.0), paths(noise - 0.02, 1.0)
    assert np.median(better[:, -1]) > 20.0
    assert np.median(worse[:, -1]) < 0.5
