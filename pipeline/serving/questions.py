"""Questions: what may be asked of the published scenarios, and what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field

from pipeline.errors import InvalidField
from pipeline.serving.decode_errors import decode_body, describe_value, to_pointer
from pipeline.serving.requests import TICKER, Price, Ticker

LARGEST_AMOUNT = 1e15  # beyond it a cent is lost in a float
MOST_POSITIONS = 5000
LARGEST_LEVERAGE = 1e6
_AMOUNT = {"type": "number", "minimum": -LARGEST_AMOUNT, "maximum": LARGEST_AMOUNT}


USD, SHARES = VALUES = "usd", "shares"
Value = Annotated[
    str,
    Meta(
        pattern=f"^({'|'.join(VALUES)})$",
        description="what the number of a position counts",
        extra_json_schema={"enum": list(VALUES)},
    ),
]
Positions = Annotated[
    dict[str, Any],
    Meta(
        min_length=1,
        max_length=MOST_POSITIONS,
        description="What is held of each ticker, negative where it is sold short",
        extra_json_schema={"propertyNames": {"pattern": TICKER}, "additionalProperties": _AMOUNT},
    ),
]


Capital = Annotated[
    float,
    Meta(
        gt=0,
        le=LARGEST_AMOUNT,
        description="What the book is financed with; the gross value may be 1e6 times it",
    ),
]
LowAndHigh = Annotated[
    tuple[Price, ...],
    Meta(min_length=2, max_length=2, description="low and high, both included"),
]
Range = Annotated[
    float, Meta(ge=0, le=3, description="high less low, over the last close; else a typical one")
]
Day = date  # a field is called so too


class RiskRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """What a book can lose. `usd` is any one currency that all of the tickers are quoted in."""

    positions: Positions
    value: Value = USD
    capital: Capital | UnsetType = UNSET


class ProbabilityRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """How likely a close is: below, above or between prices, at a horizon or on a date."""

    ticker: Ticker
    below: Price | UnsetType = UNSET
    above: Price | UnsetType = UNSET
    between: LowAndHigh | UnsetType = UNSET
    horizon: Annotated[int, Meta(ge=1)] | UnsetType = UNSET
    date: Day | UnsetType = UNSET
    touch: Annotated[
        bool, Meta(description="whether at any close until then; else at the last alone")
    ] = False


class WhatIfRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """The forecast from the next session, if it closes so."""

    ticker: Ticker
    change: Annotated[
        float, Meta(ge=-0.9, le=2, description="the close over the last close, less 1")
    ] = field(name="return")
    range: Range | UnsetType = UNSET


_RISK = msgspec.json.Decoder(RiskRequest)
_PROBABILITY = msgspec.json.Decoder(ProbabilityRequest)
_WHAT_IF = msgspec.json.Decoder(WhatIfRequest)


def parse_risk(body: bytes) -> RiskRequest:
    """Return the request in a body of JSON; raises InvalidBody or InvalidField."""
    return decode_body(body, _RISK.decode, "only positions, value and capital")


def parse_probability(body: bytes) -> ProbabilityRequest:
    """Return the request in a body of JSON; raises InvalidBody or InvalidField."""
    fields = "only ticker, below, above, between, horizon, date and touch"
    return decode_body(body, _PROBABILITY.decode, fields)


def parse_what_if(body: bytes) -> WhatIfRequest:
    """Return the request in a body of JSON; raises InvalidBody or InvalidField."""
    return decode_body(body, _WHAT_IF.decode, "only ticker, return and range")


def read_positions(request: RiskRequest) -> Mapping[str, float]:
    """Return the numbers of a book by ticker in upper case, those of 0 left out.

    Raises
    ------
    InvalidField
        For what is no ticker, a ticker twice, no number within 1e15, or nothing but 0.
    """
    positions: dict[str, float] = {}
    for name, number in request.positions.items():
        pointer, ticker = to_pointer(["positions", name]), name.upper()
        if not re.fullmatch(TICKER, name):
            raise InvalidField(pointer, "a ticker like SPY", "another name")
        if ticker in positions:
            raise InvalidField(pointer, "each ticker once", f"{ticker} twice")
        if not _is_amount(number):
            expected = f"a number from {-LARGEST_AMOUNT:g} to {LARGEST_AMOUNT:g}"
            raise InvalidField(pointer, expected, describe_value(number))
        positions[ticker] = float(number)
    held = {ticker: number for ticker, number in positions.items() if number}
    if not held:
        raise InvalidField("#/positions", "a position that is not 0", "none")
    return held


def check_probability(request: ProbabilityRequest) -> None:
    """Raise InvalidField unless it asks for one range of prices, by one day."""
    limits = {name: getattr(request, name) for name in ("below", "above", "between")}
    days = {name: getattr(request, name) for name in ("horizon", "date")}
    for choice in (limits, days):
        chosen = [name for name, value in choice.items() if value is not UNSET]
        if len(chosen) != 1:
            raise InvalidField("#", f"one of {', '.join(choice)}", ", ".join(chosen) or "none")
    if request.between is not UNSET and request.between[0] > request.between[1]:
        low, high = request.between
        raise InvalidField("#/between", "the lower price first", f"{low:g} and {high:g}")


def _is_amount(number: Any) -> bool:
    is_number = isinstance(number, int | float) and not isinstance(number, bool)
    # Not so for NaN; and whole numbers may be too large for a float.
    return is_number and abs(number) <= LARGEST_AMOUNT
