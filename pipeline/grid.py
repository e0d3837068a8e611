"""Grid: published numbers on decimals that every processor agrees on.

Processors differ in the last bits of a logarithm, an exponential or a long sum. A number that
leaves one of these goes onto a decimal grid, far coarser than such a difference; what follows by
+, -, x, / and comparisons is then equal everywhere. The grid is made of nothing else itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal

import numpy as np
from numpy.typing import ArrayLike

from pipeline.bars import Flags, Floats

# Of prices: a millionth of one in the hundreds.
DIGITS = 9
# Of log returns, of all that is computed from them, and of shares.
DECIMALS = 10
_UNITS = 1e10
# A number from here on has no room for so many decimals.
_LARGE = 1e5
_BLOCK = 16384

# In the smallest coin there is, prices have none; in hundredths of another coin they have tenths.
_COINS = dict.fromkeys(("JPY", "KRW", "VND", "CLP", "ISK", "PYG", "UGX", "XAF", "XOF"), 0)
_COINS |= dict.fromkeys(("GBp", "GBX", "ZAc", "ILA"), 1)
_CENTS, _SIGNIFICANT = 2, 4

Rounding = Callable[[ArrayLike], Floats]

# Decades of prices: the power of ten that scales each is a float without rounding, so that one
# product and one quotient give the float next to a decimal.
_DECADES = range(-13, DIGITS)
_EDGES = np.array([float(f"1e{decade}") for decade in (*_DECADES, DIGITS)])
_SCALES = np.array([float(f"1e{DIGITS - 1 - decade}") for decade in _DECADES])
# By binary exponent, where among the decades the smallest such number is, and where the next
# decade begins: a logarithm would differ between processors, and a search takes ten times longer.
_SMALLEST = np.append(np.ldexp(1.0, np.arange(-1023, 1024)), np.inf)
_FIRST = np.searchsorted(_EDGES, _SMALLEST, side="right") - 1
_NEXT = np.append(_EDGES, np.inf)[_FIRST + 1]


def format_price(price: float, currency: str | None = None) -> str:
    """Return a price as its size and currency demand: 38,512 yen, 1,234.5 pence, 0.00001234.

    Four digits at least, a price from 1 on never more than two decimals. page.js has its twin.
    """
    if not math.isfinite(price):
        return str(price)
    size = int(f"{abs(price):.3e}".partition("e")[2])
    wanted = _SIGNIFICANT - 1 - size if price else 0
    fewest = _COINS.get(currency or "", _CENTS)
    decimals = max(fewest, min(wanted, _CENTS) if size >= 0 else wanted)
    exact = Decimal(price).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)
    return f"{exact:,f}"


def name_price(price: float, currency: str | None) -> str:
    """Return a price and what it is in, where that is known."""
    text = format_price(price, currency)
    return f"{text} {currency}" if currency else text


def format_interval(lower: float, upper: float, currency: str | None = None) -> str:
    """Return two prices as an interval."""
    return f"{format_price(lower, currency)} to {format_price(upper, currency)}"


def round_digits(values: ArrayLike) -> Floats:
    """Return prices, or what else is no small difference of large numbers, with 9 digits.

    Order and signs stay, NaN, infinity and what is rounded already too; there is one zero.
    """
    return _in_blocks(_round_digits, values)


def round_decimals(values: ArrayLike) -> Floats:
    """Return log returns, scores, gains or shares with 10 decimals, with 9 digits from 1e5 on.

    Order and signs stay, NaN, infinity and what is rounded already too; there is one zero.
    """
    return _in_blocks(_round_decimals, values)


def to_digits(number: float) -> float:
    """Return one number as `round_digits` does many: on the same grid, in a tenth of the time."""
    return float(f"{number:.{DIGITS - 1}e}") + 0.0


def to_decimals(number: float) -> float:
    """Return one number as `round_decimals` does many: on the same grid, in a tenth of the time."""
    return round(number, DECIMALS) + 0.0 if abs(number) < _LARGE else to_digits(number)


def are_neighbours(rounding: Rounding, ours: ArrayLike, theirs: ArrayLike) -> Flags:
    """Return whether two numbers are on the grid of `rounding` and equal there, or one step apart.

    NaN and infinity are equal to themselves alone.

    Returns
    -------
    bool, of the shape of `ours` and `theirs`, which is one
    """
    a, b = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    finite = np.isfinite(a) & np.isfinite(b)
    equal = (a == b) | (np.isnan(a) & np.isnan(b))
    a, b = np.where(finite, a, 0.0), np.where(finite, b, 0.0)
    # What lies half-way between two that are further apart is rounded to neither.
    middle = rounding(a / 2 + b / 2)
    on_grid = (rounding(a) == a) & (rounding(b) == b)
    near: Flags = on_grid & ((middle == a) | (middle == b))
    return np.where(finite, near, equal)


def _in_blocks(round_block: Callable[[Floats], Floats], values: ArrayLike) -> Floats:
    """Return the numbers rounded block by block: what stays in the cache takes a quarter."""
    numbers = np.asarray(values, np.float64)
    flat = numbers.reshape(-1)
    rounded = np.empty(len(flat))
    for start in range(0, len(flat), _BLOCK):
        block = slice(start, start + _BLOCK)
        rounded[block] = round_block(flat[block])
    rounded += 0.0  # -0.0 becomes 0.0
    return rounded.reshape(numbers.shape)


def _round_digits(numbers: Floats) -> Floats:
    magnitude = np.abs(numbers)
    exponent = magnitude.view(np.int64) >> 52
    decade = _FIRST[exponent] + (magnitude >= _NEXT[exponent])
    within = (decade >= 0) & (decade < len(_DECADES))
    if not within.all():
        return _round_digits_anywhere(numbers, within)
    scale = _SCALES[decade]
    rounded: Floats = np.rint(numbers * scale) / scale
    return rounded


def _round_digits_anywhere(numbers: Floats, within: Flags) -> Floats:
    """Return numbers of which only some are `within` the decades of prices; the rest is slow."""
    rounded = numbers.copy()
    rounded[within] = _round_digits(numbers[within])
    rest = ~within & np.isfinite(numbers) & (numbers != 0.0)
    rounded[rest] = [to_digits(number) for number in numbers[rest].tolist()]
    return rounded


def _round_decimals(numbers: Floats) -> Floats:
    large = np.abs(numbers) >= _LARGE
    if large.any():
        small = _round_decimals(np.where(large, 0.0, numbers))
        return np.where(large, _round_digits(numbers), small)
    rounded: Floats = np.rint(numbers * _UNITS) / _UNITS
    return rounded
