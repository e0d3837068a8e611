"""Requests: what may be asked of the on-demand function, and what is wrong with what was asked."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from pipeline.errors import InvalidBody, InvalidField
from pipeline.features import LOOKBACK
from pipeline.refusals import explained
from pipeline.windows import MIN_SESSIONS

TICKER = r"^\^?[A-Za-z0-9][A-Za-z0-9.=-]{0,15}$"

# What each feature can be: wide enough for any market, and no wider, so that raw prices or columns
# in another order are refused and never answered.
LogClose = Annotated[float, Meta(ge=-14, le=21, description="log_close: natural log of the close")]
LogReturn = Annotated[float, Meta(ge=-3, le=3, description="a log return")]
LogVolatility = Annotated[
    float,
    Meta(ge=-9.5, le=1, description="log of the standard deviation of a session's log return"),
]
Drawdown = Annotated[
    float,
    Meta(ge=-8, le=1e-4, description="drawdown_66: log of the close over its 66-session high"),
]
Days = Annotated[
    float, Meta(ge=1, le=15, description="days_to_next: calendar days to the next session")
]
LogVix = Annotated[
    float, Meta(ge=0, le=7, description="log_vix: log of the Cboe VIX in percent, 0 if not known")
]
# In the order of FEATURE_NAMES.
WindowRow = tuple[
    LogClose,
    LogReturn,
    LogReturn,
    LogVolatility,
    LogVolatility,
    LogVolatility,
    LogVolatility,
    LogVolatility,
    LogVolatility,
    Drawdown,
    Days,
    LogVix,
]
Window = Annotated[
    list[WindowRow],
    Meta(min_length=LOOKBACK, max_length=LOOKBACK, description="One row per session, oldest first"),
]

Price = Annotated[float, Meta(gt=0, le=1e9)]
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


class _Style(Struct):
    """Which of the three it is; what the fields hold is looked at later."""

    data: Raw | UnsetType = UNSET
    bars: Raw | UnsetType = UNSET
    ticker: Raw | UnsetType = UNSET


Request = DataRequest | BarsRequest | TickerRequest
_STYLE = msgspec.json.Decoder(_Style)
_DATA = msgspec.json.Decoder(DataRequest)
_BARS = msgspec.json.Decoder(BarsRequest)
_TICKER = msgspec.json.Decoder(TickerRequest)


def parse_request(body: bytes) -> Request:
    """Return the request in a body of JSON.

    Raises
    ------
    InvalidBody
        When it is no JSON, or nested too deep.
    InvalidField
        When a field is missing, unknown or not as it should be.
    """
    try:
        request: Request = _decoder(_STYLE.decode(body)).decode(body)
    except RecursionError as exc:
        raise InvalidBody("expected JSON, got one that is nested too deep") from exc
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise explained(exc, body) from exc
    return request


def _decoder(style: _Style) -> msgspec.json.Decoder[Any]:
    if style.data is not UNSET:
        return _DATA
    if style.bars is not UNSET:
        return _BARS
    if style.ticker is not UNSET:
        return _TICKER
    raise InvalidField("#", "an object with `data`, `bars` or `ticker`", "one with none of them")
