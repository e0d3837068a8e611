"""The grid by examples: nine digits of a price, ten decimals of a return."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.grid import round_decimals, round_digits, to_decimals


@pytest.mark.parametrize(
    ("price", "published"),
    [
        (450.1199951171875, 450.119995),
        (1.0000000004, 1.0),
        (0.000123456789123, 0.000123456789),
        (98765432.123, 98765432.1),
        (999.9999999, 1000.0),
        (1e300 / 3, 3.33333333e299),
        (5e-324, 5e-324),
        (-2.5000000001, -2.5),
    ],
)
def test_a_price_has_nine_digits(price: float, published: float) -> None:
    assert round_digits(price) == published


@pytest.mark.parametrize(
    ("number", "published"),
    [
        (0.012345678912345, 0.0123456789),
        (-1e-12, 0.0),
        (0.69314718055994529, 0.6931471806),
        (99999.99999999999, 100000.0),
        (1234567890.123, 1234567890.0),
        (-np.inf, -np.inf),
    ],
)
def test_a_return_has_ten_decimals(number: float, published: float) -> None:
    assert round_decimals(number) == published
    assert to_decimals(number) == published
