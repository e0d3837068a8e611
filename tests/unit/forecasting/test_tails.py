"""The tail beyond the outer levels, beside distributions whose shortfall is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.forecasting.levels import LEVELS
from pipeline.forecasting.tails import expected_shortfall, lower_scale

# Quantiles .01 and .025, and the mean of the worst 2.5 % (McNeil, Frey and Embrechts, 2.2.4).
NORMAL = (-2.3263478740, -1.9599639845, 2.3378027922)
T5 = (-3.3649299989, -2.5705818366, 3.5219846764)


def quantiles(lowest: float, second: float) -> np.ndarray:
    return np.array([lowest, second, *np.linspace(second + 0.001, 0.1, 9)])


@pytest.mark.parametrize(
    ("tail", "off"), [(NORMAL, 0.017), (T5, -0.014)], ids=["normal", "t with 5"]
)
def test_it_is_near_that_of_distributions_as_thin_and_as_fat(
    tail: tuple[float, float, float], off: float
) -> None:
    # So small that the loss and minus the log return are the same.
    scale = 1e-6
    found = expected_shortfall(scale * quantiles(*tail[:2])) / scale
    assert found == pytest.approx(tail[2] * (1 + off), rel=0.001)


@given(
    st.floats(-0.5, -1e-4),
    st.floats(0.0, 0.3),
)
def test_it_is_the_mean_loss_of_the_quantile_function(second: float, step: float) -> None:
    """By summing it over a fine grid of probabilities, each in the middle of its cell."""
    q = quantiles(second - step, second)
    # In ln(p), so that the far tail is seen too.
    edges = np.exp(np.linspace(math.log(1e-14), math.log(0.025), 20_001))
    p, weight = np.sqrt(edges[1:] * edges[:-1]), np.diff(edges)
    inside = np.interp(p, LEVELS, q)
    below = q[0] - lower_scale(q) * np.log(LEVELS[0] / p)
    loss = 1 - np.exp(np.where(p < LEVELS[0], below, inside))
    expected = float((loss * weight).sum() / 0.025)
    assert float(expected_shortfall(q)) == pytest.approx(expected, rel=1e-5, abs=1e-9)


@given(arrays(float, (3, 2, 11), elements=st.floats(-3, 3)))
def test_it_is_a_loss_beyond_the_quantile_and_below_everything(values: np.ndarray) -> None:
    q = np.sort(values, axis=-1)
    found = expected_shortfall(q)
    assert found.shape == (3, 2)
    assert (found >= 1 - np.exp(q[..., 1]) - 1e-12).all()
    assert (found < 1).all()


def test_of_a_distribution_without_width_it_is_its_one_outcome() -> None:
    assert expected_shortfall(np.full(11, -0.02)) == pytest.approx(1 - math.exp(-0.02), rel=1e-15)
