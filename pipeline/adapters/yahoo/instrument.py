"""Instrument: whether the bars that Yahoo sent are of what was asked for."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.adapters.yahoo.chart import Meta
from pipeline.errors import InvalidBars, Reason


@dataclass(frozen=True, slots=True)
class Instrument:
    """What bars are expected to be of, in Yahoo's words; several where any of them will do."""

    kinds: tuple[str, ...]
    currency: str
    zones: tuple[str, ...]
    granularity: str = "1d"


NEW_YORK = "America/New_York"
LISTED = Instrument(kinds=("ETF", "EQUITY"), currency="USD", zones=(NEW_YORK,))
# Those of Cboe, the VIX among them, are computed in Chicago.
INDEX = Instrument(kinds=("INDEX",), currency="USD", zones=(NEW_YORK, "America/Chicago"))


def check_instrument(ticker: str, meta: Meta) -> None:
    """Raise InvalidBars where Yahoo says that the bars are of something else.

    What it does not say contradicts nothing.
    """
    expected = INDEX if ticker.startswith("^") else LISTED
    said: dict[str, tuple[str | None, tuple[str, ...]]] = {
        "symbol": (meta.symbol and _unify(meta.symbol), (_unify(ticker),)),
        "currency": (meta.currency, (expected.currency,)),
        "granularity": (meta.data_granularity, (expected.granularity,)),
        "time zone": (meta.exchange_timezone_name, expected.zones),
        "instrument type": (meta.instrument_type, expected.kinds),
    }
    wrong = [
        f"{name} {' or '.join(right)}, got {value[:50]!r}"
        for name, (value, right) in said.items()
        if value and value not in right
    ]
    if wrong:
        raise InvalidBars(f"{ticker}: expected {'; '.join(wrong)}", Reason.WRONG_INSTRUMENT)


def _unify(symbol: str) -> str:
    """Return a symbol as Yahoo writes it: BRK-B for brk.b."""
    return symbol.upper().replace(".", "-")
