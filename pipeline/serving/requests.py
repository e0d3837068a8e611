"""Requests: what may be asked of the on-demand function, and what is wrong with what was asked."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from pipeline import bars
from pipeline.errors import InvalidField
from pipeline.forecasting.features import FEATURE_NAMES, LOOKBACK
from pipeline.forecasting.windows import MIN_SESSIONS
from pipeline.serving.decode_errors import decode_body

# Callers may write it in lower case.
TICKER = f"^{bars.TICKER.replace('A-Z', 'A-Za-z')}$"

# What each feature can be: wide enough for any market and no wider, so that raw prices, or columns
# in another order, are refused rather than answered.
RETURN, LOG_VOLATILITY = (-3.0, 3.0), (-9.5, 1.0)
RANGES: Mapping[str, tuple[float, float]] = {
    "log_close": (-14.0, 21.0),
    "overnight_return": RETURN,
    "intraday_return": RETURN,
    "log_range": LOG_VOLATILITY,
    "log_volatility": LOG_VOLATILITY,
    "log_volatility_5": LOG_VOLATILITY,
    "log_volatility_22": LOG_VOLATILITY,
    "log_volatility_66": LOG_VOLATILITY,
    "log_downside_22": LOG_VOLATILITY,
    "drawdown_66": (-8.0, 1e-4),
    "days_to_next": (1.0, 15.0),
    "log_vix": (0.0, 7.0),
}
if TYPE_CHECKING:
    WindowRow = tuple[float, ...]
else:
    WindowRow = tuple[
        tuple(
            Annotated[float, Meta(ge=RANGES[name][0], le=RANGES[name][1], description=name)]
            for name in FEATURE_NAMES
        )
    ]
Window = Annotated[
    list[WindowRow],
    Meta(
        min_length=LOOKBACK,
        max_length=LOOKBACK,
        description="60 sessions, oldest first, of 12 features; those that begin with log_ are "
        "natural logarithms, of the close, of volatilities per session and of the Cboe VIX in "
        "percent (0 where it is not known)",
    ),
]

Price = Annotated[float, Meta(ge=1e-6, le=1e9)]
Volume = Annotated[float, Meta(ge=0, le=1e18)]
BarRow = Annotated[
    tuple[date, Price, Price, Price, Price, Volume],
    Meta(description="session, open, high, low, close (split-adjusted), volume"),
]
BarRows = Annotated[
    list[BarRow],
    Meta(min_length=MIN_SESSIONS, description="Oldest first; the last 126 are used"),
]
VixRow = tuple[date, Annotated[float, Meta(gt=0, le=1000)]]
VixRows = Annotated[
    list[VixRow],
    Meta(description="session and close of the Cboe VIX; sessions that it lacks are no harm"),
]
Ticker = Annotated[
    str, Meta(pattern=TICKER, description="Letters, digits and . - =, a caret before an index")
]


class DataRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Forecast from a ready window of 60 sessions x 12 features."""

    data: Window
    ticker: Ticker | UnsetType = UNSET


class BarsRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Forecast from raw daily bars."""

    bars: BarRows
    vix: VixRows | UnsetType = UNSET
    ticker: Ticker | UnsetType = UNSET


class TickerRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """The published forecast of the newest session."""

    ticker: Ticker


class _RequestKind(Struct):
    """Which of the three it is; what the fields hold is looked at later."""

    data: Raw | UnsetType = UNSET
    bars: Raw | UnsetType = UNSET
    ticker: Raw | UnsetType = UNSET


Request = DataRequest | BarsRequest | TickerRequest
_STYLE = msgspec.json.Decoder(_RequestKind)
_DATA = msgspec.json.Decoder(DataRequest)
_BARS = msgspec.json.Decoder(BarsRequest)
_TICKER = msgspec.json.Decoder(TickerRequest)
KINDS = "only data with or without ticker, bars with or without vix and ticker, or ticker"


def parse_request(body: bytes) -> Request:
    """Return the request in a body of JSON.

    Raises
    ------
    InvalidBody
        When it is empty, no JSON, or nested too deep.
    InvalidField
        When a field is missing, unknown or not as it should be.
    """
    return decode_body(body, _decode, KINDS)


def _decode(body: bytes) -> Request:
    request: Request = _select_decoder(_STYLE.decode(body)).decode(body)
    return request


def _select_decoder(style: _RequestKind) -> msgspec.json.Decoder[Any]:
    if style.data is not UNSET:
        return _DATA
    if style.bars is not UNSET:
        return _BARS
    if style.ticker is not UNSET:
        return _TICKER
    raise InvalidField("#", "an object with `data`, `bars` or `ticker`", "one with none of them")
