"""Chart: what of Yahoo's answer are bars, by type; all else is left out, whatever it is.

yfinance trusts the JSON it reads. So it is given no more than it needs: the known columns of one
result, as long as its timestamps, and events that fall on one of its sessions.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

COLUMNS = ("open", "high", "low", "close", "volume")
# Volumes are integers to yfinance; no exchange has traded a millionth of this.
LARGEST_VOLUME = 2.0**53
EARLIEST, LATEST = -8_520_336_000, 7_258_118_400  # 1700 and 2200, in seconds of Unix time


class Meta(msgspec.Struct, rename="camel"):
    """What Yahoo says the bars are of, None where it says nothing."""

    symbol: str | None = None
    currency: str | None = None
    instrument_type: str | None = None
    exchange_timezone_name: str | None = None
    data_granularity: str | None = None


class _Dividend(msgspec.Struct):
    date: int
    amount: float
    currency: str | None = None


class _Split(msgspec.Struct):
    date: int
    numerator: float
    denominator: float


class _Events(msgspec.Struct):
    dividends: dict[str, _Dividend] = {}
    splits: dict[str, _Split] = {}


class _Indicators(msgspec.Struct):
    quote: list[dict[str, Any]]


class _Chart(msgspec.Struct):
    result: list[dict[str, Any] | None] | None = None
    error: Any = None


class _Document(msgspec.Struct):
    chart: _Chart


class _Result(msgspec.Struct):
    meta: Meta
    indicators: _Indicators
    timestamp: list[int] = []
    events: _Events | None = None


def parse_json(data: bytes) -> Any:
    """Return JSON as plain values; raises ValueError for what is none, or is too deep."""
    try:
        return json.loads(data)
    except RecursionError as exc:
        raise ValueError("expected JSON, got it too deep to read") from exc


def clean_chart(document: Any, zone: str) -> tuple[Meta, dict[str, Any]]:
    """Return what a chart says its bars are of, and the chart with nothing that is not known.

    Parameters
    ----------
    document : plain values, of which nothing is known
    zone : of the exchange, for a chart that does not say its own

    Raises
    ------
    ValueError
        When it is no chart of bars, with the path of what was expected.
    """
    try:
        chart = msgspec.convert(document, _Document).chart
        if chart.error or not chart.result:
            raise ValueError(f"expected a chart, got none, its error: {chart.error!s:.200}")
        result = msgspec.convert(chart.result[0], _Result)
        columns = _read_columns(result)
    except (msgspec.ValidationError, LookupError, TypeError, OverflowError) as exc:
        raise ValueError(f"expected a chart, got {type(exc).__name__}: {exc}") from exc
    meta = result.meta
    used = meta.exchange_timezone_name or zone
    days = frozenset(_day(at, used) for at in result.timestamp)
    events = _clean_events(result.events or _Events(), meta, lambda at: _day(at, used) in days)
    cleaned = {
        "meta": {
            "symbol": meta.symbol,
            "currency": meta.currency,
            "instrumentType": meta.instrument_type,
            "exchangeTimezoneName": used,
        },
        "timestamp": result.timestamp,
        "events": events,
        "indicators": {"quote": [columns]},
    }
    return meta, {"chart": {"result": [cleaned], "error": None}}


def _read_columns(result: _Result) -> dict[str, list[float | None]]:
    """Return the columns, none for a chart without sessions, as Yahoo has it."""
    if not result.timestamp:
        return {}
    quote = result.indicators.quote[0]
    columns = {name: msgspec.convert(quote[name], list[float | None]) for name in COLUMNS}
    for name, values in columns.items():
        if len(values) != len(result.timestamp):
            raise ValueError(
                f"expected {len(result.timestamp)} values of {name}, one a session, got "
                f"{len(values)}"
            )
    for value in columns["volume"]:
        if value is not None and not 0 <= value < LARGEST_VOLUME:
            raise ValueError(f"expected volumes from 0 to {LARGEST_VOLUME:.0f}, got {value:g}")
    return columns


def _day(at: int, zone: str) -> date:
    """Return the date of Unix time on the exchange; raises ValueError for one not of our time."""
    if not EARLIEST <= at <= LATEST:
        raise ValueError(f"expected sessions of 1700 to 2199, got Unix time {at:.6g}")
    try:
        return datetime.fromtimestamp(at, UTC).astimezone(ZoneInfo(zone)).date()
    except (LookupError, ValueError, OSError) as exc:
        raise ValueError(f"expected a time zone like America/New_York, got {zone[:50]!r}") from exc


def _clean_events(events: _Events, meta: Meta, on_session: Callable[[int], bool]) -> dict[str, Any]:
    """Return the events that can be read, and that fall on one of the sessions.

    yfinance would add an empty bar for any other. A dividend in another currency is no price.
    """
    currencies = {None, "", meta.currency}
    dividends = {
        key: {"date": dividend.date, "amount": dividend.amount}
        for key, dividend in events.dividends.items()
        if dividend.currency in currencies and math.isfinite(dividend.amount)
    }
    splits = {
        key: {"date": split.date, "numerator": split.numerator, "denominator": split.denominator}
        for key, split in events.splits.items()
        if 0 < split.numerator < math.inf and 0 < split.denominator < math.inf
    }
    return {
        "dividends": _select(dividends, on_session),
        "splits": _select(splits, on_session),
    }


def _select(
    events: Mapping[str, dict[str, Any]], on_session: Callable[[int], bool]
) -> dict[str, dict[str, Any]]:
    return {key: event for key, event in events.items() if on_session(event["date"])}
