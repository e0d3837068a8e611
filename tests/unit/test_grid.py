"""The grid by examples: nine digits of a price, ten decimals of a return."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from pipeline.grid import format_price, round_decimals, round_digits, to_decimals


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


PRICES = json.loads((Path(__file__).parents[1] / "golden" / "prices.json").read_text())


@pytest.mark.parametrize(("price", "currency", "text"), PRICES)
def test_prices_are_shown_as_their_size_and_currency_demand(
    price: float, currency: str | None, text: str
) -> None:
    """The page's script is held to the same file."""
    assert format_price(price, currency) == text


@pytest.mark.parametrize("price", [math.nan, math.inf, -math.inf])
def test_what_is_no_price_is_shown_as_it_is(price: float) -> None:
    assert format_price(price) == str(price)
