"""Instrument: whether the bars that Yahoo sent are of what was asked for."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.adapters.yahoo.chart import Meta
from pipeline.bars import VIX
from pipeline.errors import InvalidBars, Reason


@dataclass(frozen=True, slots=True)
class Instrument:
    """What bars are expected to be of, in Yahoo's words; any of several will do, all without."""

    kinds: tuple[str, ...]
    currencies: tuple[str, ...]
    zones: tuple[str, ...]
    granularity: str = "1d"


NEW_YORK, CHICAGO, LONDON, UTC = "America/New_York", "America/Chicago", "Europe/London", "UTC"
INDEX, LISTED, AROUND_THE_CLOCK = ("INDEX",), ("ETF", "EQUITY"), ("CRYPTOCURRENCY", "CURRENCY")
DOLLARS = ("USD",)


def expect_instrument(ticker: str, zone: str) -> Instrument:
    """Return what a ticker is expected to be on an exchange of that time zone."""
    if ticker == VIX:  # Cboe computes it in Chicago.
        return Instrument(INDEX, DOLLARS, (NEW_YORK, CHICAGO))
    if ticker.startswith("^"):
        return Instrument(INDEX, (), (zone, CHICAGO) if zone == NEW_YORK else (zone,))
    if zone == UTC:  # Yahoo dates currencies by London's days.
        return Instrument(AROUND_THE_CLOCK, (), (UTC, LONDON))
    return Instrument(LISTED, DOLLARS if zone == NEW_YORK else (), (zone,))


def check_instrument(ticker: str, meta: Meta, zone: str) -> None:
    """Raise InvalidBars where Yahoo says that the bars are of something else.

    What it does not say contradicts nothing.
    """
    expected = expect_instrument(ticker, zone)
    said: dict[str, tuple[str | None, tuple[str, ...]]] = {
        "symbol": (meta.symbol and _unify(meta.symbol), (_unify(ticker),)),
        "currency": (meta.currency, expected.currencies),
        "granularity": (meta.data_granularity, (expected.granularity,)),
        "time zone": (meta.exchange_timezone_name, expected.zones),
        "instrument type": (meta.instrument_type, expected.kinds),
    }
    wrong = [
        f"{name} {' or '.join(right)}, got {value[:50]!r}"
        for name, (value, right) in said.items()
        if value and right and value not in right
    ]
    if wrong:
        raise InvalidBars(f"{ticker}: expected {'; '.join(wrong)}", Reason.WRONG_INSTRUMENT)


def _unify(symbol: str) -> str:
    """Return a symbol as Yahoo writes it: BRK-B for brk.b."""
    return symbol.upper().replace(".", "-")
