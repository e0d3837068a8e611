"""Adjustment check: prices of which some are adjusted for dividends and others are not.

Mixed prices teach jumps that nobody traded. Bars alone show them in two ways:

- A close that was adjusted while high and low were not lies below the low, by more the older it is.
- Exchanges quote in cents, since 2001; a price times a factor for dividends is hardly ever whole
  cents. So a ticker, or a year of one, that leaves the cents that others keep was adjusted. Splits
  divide cents by small whole numbers; what is known of them is undone first.

Not to be seen: prices that were rounded to cents after the adjustment, years before 2002, an
adjustment of less than a full calendar year, and all tickers adjusted alike, which is not mixed.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import numpy as np

from pipeline.bars import PRICES, Flags, RawBars
from pipeline.errors import InvalidBars, Reason
from pipeline.forecasting.cents import FEW, MOST, are_in_cents, look_adjusted, share_in_cents

# Sources round to different digits.
HAIR = 5e-4
# So many closes outside low to high in so many sessions are no mistakes of a source.
STRETCH, TOO_MANY = 63, 7
FIRST_IN_CENTS = 2002
FULL_YEAR = 200


class Adjustment(StrEnum):
    """Whether prices are adjusted for dividends, as far as they show it themselves."""

    NO = "no"
    YES = "yes"
    IN_PART = "in part"
    NOT_TO_BE_SEEN = "not to be seen"


def judge_adjustment(bars: RawBars) -> Adjustment:
    """Return whether a ticker's prices, ordered and without holes, look adjusted for dividends."""
    if look_adjusted(bars):
        return Adjustment.YES
    try:
        check_unmixed([bars])
    except InvalidBars:
        return Adjustment.IN_PART
    years = _shares_in_cents(bars).values()
    return Adjustment.NO if years and min(years) >= MOST else Adjustment.NOT_TO_BE_SEEN


def check_unmixed(bars: Sequence[RawBars]) -> None:
    """Raise InvalidBars if some prices are adjusted for dividends where others are not."""
    for ticker_bars in filter(len, bars):
        _check_close(ticker_bars)
    shares = {ticker_bars.ticker: _shares_in_cents(ticker_bars) for ticker_bars in bars}
    in_cents = [t for t, years in shares.items() if any(s >= MOST for s in years.values())]
    for ticker_bars in bars:
        off = [year for year, share in shares[ticker_bars.ticker].items() if share < FEW]
        if off and in_cents:
            like = "the rest of it" if ticker_bars.ticker in in_cents else in_cents[0]
            raise _report_off_cents(ticker_bars, off[0], like)


def check_adjusted(bars: Sequence[RawBars]) -> None:
    """Raise InvalidBars if of prices that are said to be adjusted for dividends some are not.

    Of an adjusted ticker the older prices leave the cents. One that pays nothing keeps them, so
    that only what the bars themselves say shows those that were not adjusted: dividends that they
    name, or older years in cents where newer ones are not.
    """
    for ticker_bars in filter(len, bars):
        _check_close(ticker_bars)
        years = _shares_in_cents(ticker_bars)
        off = [year for year, share in years.items() if share < FEW]
        older = [year for year, share in years.items() if share >= MOST and off and year < off[-1]]
        if older:
            raise _report_unadjusted(ticker_bars, f"in cents in {older[0]} and not in {off[-1]}")
        paid = ticker_bars.session[ticker_bars.dividend > 0]
        if len(paid) and years and not off:
            raise _report_unadjusted(
                ticker_bars, f"in cents all along and a dividend on {paid[-1]}"
            )


def _report_unadjusted(bars: RawBars, received: str) -> InvalidBars:
    return InvalidBars(
        f"{bars.ticker}: expected prices adjusted for dividends, as was said of all, got prices "
        f"{received}",
        Reason.UNREADABLE,
    )


def _check_close(bars: RawBars) -> None:
    below, above = bars.close < bars.low * (1 - HAIR), bars.close > bars.high * (1 + HAIR)
    outside: Flags = below | above
    stretches = np.convolve(outside, np.ones(STRETCH))[: len(outside)]
    if (stretches < TOO_MANY).all():
        return
    at = int(np.argmax(outside))
    low, high, close = bars.low[at], bars.high[at], bars.close[at]
    raise InvalidBars(
        f"{bars.ticker}: expected closes between low and high, got {outside.sum()} outside, the "
        f"first on {bars.session[at]}: low {low:g}, high {high:g}, close {close:g}; is Close "
        "adjusted for dividends and the others not?",
        Reason.INCONSISTENT_OHLC,
    )


def _shares_in_cents(bars: RawBars) -> dict[int, float]:
    """Return the share of prices in cents, or in one small part of them, of each full year."""
    years = bars.session.astype("datetime64[Y]").astype(int) + 1970
    shares = {}
    for year in range(FIRST_IN_CENTS, int(years.max(initial=0)) + 1):
        inside = years == year
        if inside.sum() >= FULL_YEAR:
            shares[year] = share_in_cents(bars, inside)
    return shares


def _report_off_cents(bars: RawBars, year: int, like: str) -> InvalidBars:
    of_year = np.flatnonzero(bars.session.astype("datetime64[Y]") == np.datetime64(str(year)))
    in_cents = are_in_cents(bars, np.isin(np.arange(len(bars)), of_year)).all(axis=0)
    at = of_year[int(np.argmin(in_cents))]
    prices = ", ".join(f"{name} {getattr(bars, name)[at]:.10g}" for name in PRICES)
    return InvalidBars(
        f"{bars.ticker}: expected prices in cents, like {like}, got on {bars.session[at]} and most "
        f"of that year {prices}; are these adjusted for dividends and the others not?",
        Reason.UNREADABLE,
    )
