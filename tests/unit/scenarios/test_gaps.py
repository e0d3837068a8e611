"""What stands in for tickers that came late: they keep what binds them."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.scenarios.gaps import fill_gaps

EARLY, LATE, ROWS, HORIZONS = 4, 5, 1000, 5
SINCE = 750  # the row with which late tickers begin


def paths(*shape: int, seed: int) -> np.ndarray:
    steps = np.random.default_rng(seed).normal(size=(ROWS, *shape, HORIZONS))
    return np.cumsum(steps, axis=-1) / np.sqrt(np.arange(1, HORIZONS + 1))


def market(loading: float = 0.6) -> np.ndarray:
    """Early tickers that are nearly one, and late ones: the first two share what is left."""
    common, own, bound = paths(1, seed=1), paths(EARLY + LATE, seed=2), paths(1, seed=3)
    own[:, EARLY : EARLY + 2] = 0.9 * bound + np.sqrt(1 - 0.9**2) * own[:, EARLY : EARLY + 2]
    loadings = np.array([0.97] * EARLY + [loading] * LATE)[:, None]
    vectors = loadings * common + np.sqrt(1 - loadings**2) * own
    return np.asarray(vectors)


def with_gaps(vectors: np.ndarray, since: int = SINCE) -> np.ndarray:
    lacking = vectors.copy()
    lacking[:since, EARLY:] = np.nan
    return lacking


@pytest.mark.parametrize("horizon", [0, 4])
@pytest.mark.parametrize("loading", [0.6, 0.0, -0.4])
def test_late_tickers_are_bound_to_each_other_and_to_the_others_as_they_were_seen(
    loading: float, horizon: int
) -> None:
    vectors = market(loading)
    filled = fill_gaps(with_gaps(vectors))
    assert np.isfinite(filled).all()
    everything = np.corrcoef(filled[:, :, horizon].T)
    seen = np.corrcoef(vectors[SINCE:, :, horizon].T)
    assert everything == pytest.approx(seen, abs=0.12)
    assert everything[EARLY, EARLY + 1] == pytest.approx(seen[EARLY, EARLY + 1], abs=0.04)
    assert filled[:, EARLY:, horizon].std(axis=0) == pytest.approx(1, abs=0.12)


def test_what_is_known_stays_to_the_bit() -> None:
    lacking = with_gaps(market())
    filled = fill_gaps(lacking)
    known = np.isfinite(lacking)
    assert np.array_equal(filled[known], lacking[known])
    assert fill_gaps(filled) is filled


def test_the_order_of_tickers_changes_nothing() -> None:
    lacking = with_gaps(market())
    lacking[900:930, 2] = np.nan
    order = np.random.default_rng(5).permutation(EARLY + LATE)
    filled, again = fill_gaps(lacking), fill_gaps(lacking[:, order])
    np.testing.assert_allclose(again, filled[:, order], atol=1e-9)


def test_tickers_that_were_never_known_together_are_filled_one_by_one() -> None:
    lacking = with_gaps(market())
    lacking[500:SINCE, EARLY] = market()[500:SINCE, EARLY]
    lacking[SINCE:, EARLY] = np.nan
    filled = fill_gaps(lacking)
    assert np.isfinite(filled).all()
    correlations = np.corrcoef(filled[:, :, 0].T)
    assert correlations[EARLY, 0] == pytest.approx(0.58, abs=0.12)


def test_many_who_came_at_different_times_are_filled_from_when_all_were_there() -> None:
    vectors = market()
    lacking = vectors.copy()
    for i, since in enumerate(range(300, 800, 100)):
        lacking[:since, EARLY + i] = np.nan
    filled = fill_gaps(lacking)
    seen = np.corrcoef(vectors[700:, :, 0].T)
    assert np.corrcoef(filled[:, :, 0].T) == pytest.approx(seen, abs=0.15)
