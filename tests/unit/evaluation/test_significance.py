"""Tests of significance: naive twins, scipy and statsmodels as oracles, and honest p-values."""

from __future__ import annotations

from math import inf, log

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from pipeline.evaluation.significance import (
    chi_square_p,
    christoffersen,
    christoffersen_independence,
    coverage_bounds,
    diebold_mariano,
    kupiec,
)


def hits(text: str) -> np.ndarray:
    """Return 1 for inside and 0 for missed as flags."""
    return np.array([each == "1" for each in text], dtype=bool)


def share_below(p_values: list[float], level: float) -> float:
    return float(np.mean(np.array(p_values) < level))


@pytest.mark.parametrize("degrees", [1, 2])
@pytest.mark.parametrize("statistic", [0.0, 1e-9, 0.3, 3.84, 12.0, 80.0])
def test_chi_square_p_equals_scipys(statistic: float, degrees: int) -> None:
    expected = stats.chi2(degrees).sf(statistic)
    assert chi_square_p(statistic, degrees) == pytest.approx(expected, rel=1e-12)


def test_a_statistic_below_zero_by_rounding_is_no_evidence() -> None:
    assert chi_square_p(-1e-15, 1) == 1.0


def test_other_degrees_of_freedom_are_refused() -> None:
    with pytest.raises(ValueError, match="expected 1 or 2 degrees of freedom, got 3"):
        chi_square_p(1.0, 3)


@pytest.mark.parametrize(("n", "missed"), [(250, 12), (250, 30), (1000, 1), (40, 40), (40, 0)])
def test_kupiec_is_the_binomial_likelihood_ratio(n: int, missed: int) -> None:
    inside = np.arange(n) >= missed
    best = stats.binom(n, missed / n).logpmf(missed)
    expected = 2 * (best - stats.binom(n, 0.05).logpmf(missed))
    came = kupiec(inside, 0.95)
    assert came.statistic == pytest.approx(expected, abs=1e-9)
    assert came.p == pytest.approx(stats.chi2(1).sf(expected), abs=1e-9)


def test_kupiec_says_nothing_where_the_share_is_the_promised_one() -> None:
    statistic, p = kupiec(np.arange(200) >= 10, 0.95)
    assert statistic == pytest.approx(0.0, abs=1e-10)
    assert p == pytest.approx(1.0, abs=1e-5)


def naive_independence(text: str) -> float:
    pairs = list(zip(text, text[1:], strict=False))
    n = {a + b: sum(pair == (a, b) for pair in pairs) for a in "01" for b in "01"}

    def likelihood(inside: int, missed: int, share: float) -> float:
        return (inside * log(share) if inside else 0) + (missed * log(1 - share) if missed else 0)

    after_miss, after_hit = n["01"] / (n["01"] + n["00"]), n["11"] / (n["11"] + n["10"])
    any_day = (n["01"] + n["11"]) / len(pairs)
    chain = likelihood(n["01"], n["00"], after_miss) + likelihood(n["11"], n["10"], after_hit)
    return 2 * (chain - likelihood(n["01"] + n["11"], n["00"] + n["10"], any_day))


@pytest.mark.parametrize(
    "text", ["1110111011100111110111", "11111100001111110111", "1011111111111111"]
)
def test_christoffersen_is_the_markov_likelihood_ratio(text: str) -> None:
    statistic, p = christoffersen_independence(hits(text))
    assert statistic == pytest.approx(naive_independence(text))
    assert p == pytest.approx(stats.chi2(1).sf(statistic))


def test_conditional_coverage_is_both_ratios_at_two_degrees() -> None:
    inside = np.random.default_rng(1).random(500) < 0.93
    came = christoffersen(inside, 0.95)
    parts = kupiec(inside, 0.95).statistic + christoffersen_independence(inside).statistic
    assert came.statistic == pytest.approx(parts)
    assert came.p == pytest.approx(stats.chi2(2).sf(parts))


@pytest.mark.parametrize("text", ["", "1", "0", "1111111", "0000"])
def test_hits_without_a_change_say_nothing_of_independence(text: str) -> None:
    assert christoffersen_independence(hits(text)) == (0.0, 1.0)


def test_no_session_says_nothing_of_coverage() -> None:
    assert kupiec(hits(""), 0.95) == (0.0, 1.0)
    assert christoffersen(hits(""), 0.95) == (0.0, 1.0)


def test_clustered_misses_are_found_where_their_share_is_right() -> None:
    inside = np.arange(2500) % 40 >= 2
    assert kupiec(inside, 0.95).p > 0.9
    assert christoffersen_independence(inside).p < 1e-6
    assert christoffersen(inside, 0.95).p < 1e-6


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.95])
def test_coverage_tests_reject_honest_intervals_about_as_often_as_they_say(
    coverage: float,
) -> None:
    random = np.random.default_rng(12)
    samples = random.random((1500, 3000)) < coverage
    for test in (
        lambda one: kupiec(one, coverage),
        christoffersen_independence,
        lambda one: christoffersen(one, coverage),
    ):
        p_values = [test(one).p for one in samples]
        assert 0.03 < share_below(p_values, 0.05) < 0.08
        assert 0.16 < share_below(p_values, 0.20) < 0.25


@pytest.mark.parametrize("lags", [1, 5, 20])
def test_diebold_mariano_equals_statsmodels_hac(lags: int) -> None:
    random = np.random.default_rng(3)
    loss, benchmark = random.gamma(2.0, size=(2, 700))
    fit = sm.OLS(loss - benchmark, np.ones(700)).fit(
        cov_type="HAC", cov_kwds={"maxlags": lags, "use_correction": False}
    )
    t, p = diebold_mariano(loss, benchmark, lags)
    assert t == pytest.approx(fit.tvalues[0])
    assert p == pytest.approx(fit.pvalues[0])


def test_diebold_mariano_without_lags_is_the_plain_t() -> None:
    loss, benchmark = np.random.default_rng(5).normal(size=(2, 300))
    difference = loss - benchmark
    expected = difference.mean() / (difference.std() / np.sqrt(300))
    assert diebold_mariano(loss, benchmark, lags=0).statistic == pytest.approx(expected)


def test_diebold_mariano_sees_a_better_forecast_and_no_difference_in_noise() -> None:
    random = np.random.default_rng(3)
    benchmark = random.gamma(2.0, size=4000)
    noise = random.normal(size=4000)
    t, p = diebold_mariano(benchmark - 0.1 + noise, benchmark)
    assert t < -4
    assert p < 0.001
    assert diebold_mariano(benchmark + noise, benchmark)[1] > 0.01


def test_diebold_mariano_says_nothing_of_equal_losses_or_a_single_one() -> None:
    loss = np.random.default_rng(5).normal(size=50)
    assert diebold_mariano(loss, loss) == (0.0, 1.0)
    assert diebold_mariano(loss[:1], loss[1:2]) == (0.0, 1.0)
    assert diebold_mariano(loss[:0], loss[:0]) == (0.0, 1.0)


def test_a_constant_advantage_is_certain() -> None:
    assert diebold_mariano(np.full(64, 1.0), np.full(64, 1.5)) == (-inf, 0.0)


def test_lags_make_diebold_mariano_honest_where_losses_overlap() -> None:
    random = np.random.default_rng(9)
    moves = random.normal(size=(1500, 1004))
    overlapping = np.lib.stride_tricks.sliding_window_view(moves, 5, axis=1).sum(axis=-1)
    zero = np.zeros(overlapping.shape[1])
    honest = [diebold_mariano(one, zero, lags=20).p for one in overlapping]
    blind = [diebold_mariano(one, zero, lags=0).p for one in overlapping]
    assert 0.03 < share_below(honest, 0.05) < 0.09
    assert share_below(blind, 0.05) > 0.25


@pytest.mark.parametrize("n", [1, 20, 252, 3774])
@pytest.mark.parametrize("coverage", [0.5, 0.95, 0.98])
def test_coverage_bounds_are_the_binomials(n: int, coverage: float) -> None:
    expected = stats.binom(n, coverage).ppf([0.025, 0.975]) / n
    np.testing.assert_allclose(coverage_bounds(n, coverage), expected)


def test_a_higher_probability_gives_wider_bounds() -> None:
    lower, upper = coverage_bounds(250, 0.95, probability=0.95)
    wider = coverage_bounds(250, 0.95, probability=0.999)
    assert wider[0] < lower < 0.95 < upper < wider[1]
