"""The grid: order, signs and what is rounded already stay, for any number there is."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.grid import DECIMALS, DIGITS, round_decimals, round_digits, to_decimals

UNTIMED = settings(deadline=None)
Round = Callable[[object], np.ndarray]
ROUNDINGS = pytest.mark.parametrize("rounding", [round_digits, round_decimals])
FINITE = st.floats(allow_nan=False, allow_infinity=False)
# Where steps change: powers of ten and of two, the ends of what the fast way covers, and all ends.
BORDERS = st.sampled_from(
    [float(f"1e{n}") for n in range(-323, 309)]
    + [2.0**n for n in range(-1074, 1024)]
    + [99999.9999999999, 999999999.5, 1.7976931348623157e308, 5e-324, 2.2250738585072014e-308]
)
NEAR_BORDERS = st.builds(
    lambda border, steps, sign: sign * _move(border, steps),
    BORDERS,
    st.integers(-3, 3),
    st.sampled_from([-1.0, 1.0]),
)
# Half-way between two prices, or a hair beside it.
NEAR_TIES = st.builds(
    lambda k, decade, steps: _move(float(f"{k}.5e{decade}"), steps),
    st.integers(10 ** (DIGITS - 1), 10**DIGITS - 1),
    st.integers(-20, 20),
    st.integers(-2, 2),
)
ANY = FINITE | NEAR_BORDERS | NEAR_TIES | st.floats(-1e6, 1e6)


def _move(number: float, steps: int) -> float:
    for _ in range(abs(steps)):
        number = math.nextafter(number, math.inf if steps > 0 else 0.0)
    return number if np.isfinite(number) else 1.7976931348623157e308


@ROUNDINGS
@UNTIMED
@given(number=ANY)
def test_what_is_rounded_stays(rounding: Round, number: float) -> None:
    rounded = float(rounding(number))
    assert float(rounding(rounded)) == rounded


@ROUNDINGS
@UNTIMED
@given(numbers=st.lists(ANY, min_size=2, max_size=30))
def test_order_stays(rounding: Round, numbers: list[float]) -> None:
    assert (np.diff(rounding(sorted(numbers))) >= 0).all()


@ROUNDINGS
@UNTIMED
@given(number=ANY)
def test_neighbours_stay_in_order(rounding: Round, number: float) -> None:
    beside = math.nextafter(number, math.inf)
    if math.isfinite(beside):
        low, high = rounding([number, beside])
        assert low <= high


@ROUNDINGS
@UNTIMED
@given(number=ANY)
def test_signs_stay_and_zero_has_none(rounding: Round, number: float) -> None:
    rounded = float(rounding(number))
    assert np.isfinite(rounded)
    assert rounded == 0.0 or np.sign(rounded) == np.sign(number)
    assert rounded != 0.0 or str(rounded) == "0.0"
    assert float(rounding(-number)) == -rounded


@UNTIMED
@given(number=ANY)
def test_a_price_never_becomes_zero(number: float) -> None:
    assert (round_digits(number) == 0.0) == (number == 0.0)


@UNTIMED
@given(number=ANY)
def test_a_price_is_the_nearest_of_nine_digits_or_half_a_step_and_a_hair_away(
    number: float,
) -> None:
    rounded = float(round_digits(number))
    assert len(Decimal(repr(rounded)).normalize().as_tuple().digits) <= DIGITS
    if number == 0.0:
        return
    step = Fraction(10) ** (Decimal(repr(abs(number))).adjusted() - DIGITS + 1)
    # What nine digits say, as the nearest float; subnormal numbers have fewer bits.
    said = Fraction(Decimal(repr(rounded)))
    assert abs(said - Fraction(number)) <= step / 2 * (1 + Fraction(1, 10**5)) + Fraction(5e-324)


@UNTIMED
@given(number=st.floats(-1e5, 1e5) | NEAR_TIES.filter(lambda x: x < 1e5))
def test_a_return_is_the_nearest_of_ten_decimals_or_half_a_step_and_a_hair_away(
    number: float,
) -> None:
    for rounded in (float(round_decimals(number)), to_decimals(number)):
        assert rounded == float(f"{rounded:.{DECIMALS}f}")
        step = Fraction(1, 10**DECIMALS)
        said = Fraction(Decimal(f"{rounded:.{DECIMALS}f}"))
        assert abs(said - Fraction(number)) <= step / 2 + Fraction(abs(number)) / 10**15


@UNTIMED
@given(number=ANY)
def test_one_number_is_rounded_to_the_grid_of_many(number: float) -> None:
    one, of_many = to_decimals(number), float(round_decimals(number))
    assert float(round_decimals(one)) == one
    step = 1e-10 if abs(number) < 1e5 else abs(number) * 1e-8
    assert abs(one - of_many) <= step * 1.001
    assert str(to_decimals(-0.0)) == "0.0"


@ROUNDINGS
@UNTIMED
@given(numbers=st.lists(ANY | st.just(np.nan) | st.just(np.inf), max_size=20), at=st.integers(0, 9))
def test_a_number_is_rounded_alike_alone_and_among_many(
    rounding: Round, numbers: list[float], at: int
) -> None:
    many = np.full(40_000, 371.25)
    many[at * 4_000 : at * 4_000 + len(numbers)] = numbers
    alone = [float(rounding(number)) for number in numbers]
    among = rounding(many)[at * 4_000 : at * 4_000 + len(numbers)]
    assert np.array_equal(among, alone, equal_nan=True)


@ROUNDINGS
def test_nan_and_infinity_pass(rounding: Round) -> None:
    numbers = [np.nan, np.inf, -np.inf, 1.0, 1e300, 0.0]
    assert np.array_equal(rounding(numbers), numbers, equal_nan=True)


@ROUNDINGS
@pytest.mark.parametrize("shape", [(), (0,), (3, 5, 11), (2, 0, 5)])
def test_shapes_stay_and_nothing_is_written_into_what_came(
    rounding: Round, shape: tuple[int, ...]
) -> None:
    numbers = np.full(shape, 1 / 3)
    numbers.flags.writeable = False
    assert rounding(numbers).shape == shape
    assert np.array_equal(rounding(numbers.T), rounding(numbers).T)
    assert (numbers == 1 / 3).all()


@UNTIMED
@given(price=st.floats(1e-12, 1e20), ulps=st.integers(-8, 8))
def test_what_processors_differ_by_is_seldom_seen_and_never_more_than_a_step(
    price: float, ulps: int
) -> None:
    """Other than within a hair of half-way between two steps, not at all."""
    here, there = round_digits([price, _move(price, ulps)])
    step = Fraction(10) ** (Decimal(repr(price)).adjusted() - DIGITS + 1)
    half_way = abs((Fraction(price) / step) % 1 - Fraction(1, 2))
    if half_way > Fraction(1, 10**5):
        assert here == there
    else:
        assert abs(here - there) <= float(step) * (1 + 1e-6)
