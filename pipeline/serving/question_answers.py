"""Question answers: what is said of risk, of a probability and of a session assumed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from pipeline.views.documents import HorizonForecast, Interval, SessionsBehind, Stale

ADDS_UP = "by ticker; they add up to it"
CLOSES_ONLY = "Closes only: what happens within a session is not in it."


WidthRatio = Annotated[
    float,
    Meta(
        description="width of the next session's 95 % interval of the log return, over that of the "
        "published one"
    ),
]
Wilson = Annotated[
    tuple[float, ...],
    Meta(min_length=2, max_length=2, description="Wilson's, for the number of scenarios alone"),
]
Independent = Annotated[
    tuple[str, ...],
    Meta(
        description="tickers of the book drawn independently of those with which they have too "
        "few known outcomes in common"
    ),
]
Leverage = Annotated[float, Meta(description="gross over capital, where that is given")]


class Tail(Struct, frozen=True):
    """VaR and ES at one level: positive for a loss."""

    var: Annotated[float, Meta(description="value at risk: the loss that this share stays below")]
    var_error: Annotated[float, Meta(description="standard error of a count of scenarios")]
    es: Annotated[float, Meta(description="expected shortfall: the mean of the losses beyond")]
    es_error: float
    var_contributions: Annotated[Mapping[str, float], Meta(description=ADDS_UP)]
    es_contributions: Annotated[Mapping[str, float], Meta(description=ADDS_UP)]


class Worst(Struct, frozen=True):
    """One of the worst scenarios: its number, what the book gains, and each ticker's return."""

    scenario: int
    gain: float
    returns: Mapping[str, float]


class HorizonRisk(Struct, frozen=True):
    """What a book gains until the close of `target_date`."""

    horizon: int
    target_date: date
    mean: float
    range_90: Annotated[Interval, Meta(description="the 5 and 95 % quantiles of the gain")]
    tails: Annotated[Mapping[str, Tail], Meta(description="By level in percent: 95, 97.5, 99")]
    worst: tuple[Worst, ...]


class RiskAnswer(Struct, frozen=True):
    """What a book can lose in one to five sessions, in its own currency."""

    origin_date: date
    source: str
    value: str
    positions: Annotated[Mapping[str, float], Meta(description="value of each at the origin")]
    gross: Annotated[float, Meta(description="sum of the sizes of all positions")]
    net: float
    scenarios: int
    independent: Independent
    horizons: tuple[HorizonRisk, ...]
    leverage: Leverage | UnsetType = UNSET
    stale: Stale | UnsetType = UNSET
    sessions_behind: SessionsBehind | UnsetType = UNSET
    store_unavailable: bool | UnsetType = UNSET


class ProbabilityAnswer(Struct, frozen=True):
    """A share of the scenarios, with what chance does to it."""

    ticker: str
    event: Annotated[str, Meta(description="what was asked, in words")]
    probability: float
    standard_error: float
    interval_95: Wilson
    scenarios: int
    horizon: int
    target_date: date
    last_close: float
    origin_date: date
    source: str
    note: str = CLOSES_ONLY
    stale: Stale | UnsetType = UNSET
    sessions_behind: SessionsBehind | UnsetType = UNSET
    store_unavailable: bool | UnsetType = UNSET


class Assumed(Struct, frozen=True):
    """The bar that is assumed. It opens at the last close; the VIX stays where it is."""

    session: date
    open: float
    high: float
    low: float
    close: float
    range: Annotated[float, Meta(description="high less low, over the last close")]
    range_is: Annotated[str, Meta(description="whether the range was given or is a typical one")]


class WhatIfAnswer(Struct, frozen=True):
    """A hypothetical forecast beside the published one; it is never on the record."""

    ticker: str
    hypothetical: bool
    assumed: Assumed
    last_close: float
    origin_date: date
    published: tuple[HorizonForecast, ...]
    horizons: Annotated[
        tuple[HorizonForecast, ...],
        Meta(description="from the assumed close; the last target has no date yet"),
    ]
    model_version: str
    calibrated: bool
    source: str
    width_ratio: WidthRatio | UnsetType = UNSET
    stale: Stale | UnsetType = UNSET
    sessions_behind: SessionsBehind | UnsetType = UNSET
    store_unavailable: bool | UnsetType = UNSET
