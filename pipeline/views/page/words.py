"""Words: what the page says of numbers, in sentences that a reader needs no key for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum
from math import log

from pipeline.grid import format_interval, format_price
from pipeline.record.manifest import Mode
from pipeline.views.history import PastForecast
from pipeline.views.width_words import compare_width

MODES: Mapping[Mode, str] = {
    Mode.LIVE: "issued live, before its day",
    Mode.AS_OF: "not live: made afterwards, as of a past date",
    Mode.BACKFILL: "not live: made afterwards, in a backfill",
}
SURPRISE = "a surprise, outside the 98 % interval too"
# The same in a word or three.
MADE: Mapping[Mode, str] = {
    Mode.LIVE: "live",
    Mode.AS_OF: "as of, made afterwards",
    Mode.BACKFILL: "backfill, made afterwards",
}


class Verdict(StrEnum):
    """Where a close came to lie; the shape that marks it is named by it."""

    INSIDE = "inside"
    ABOVE = "above"
    BELOW = "below"
    NONE = "none"


def format_moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def format_share(share: float) -> str:
    return f"{share:.1%}".replace("%", " %")


def judge(row: PastForecast) -> Verdict:
    """Return where the close lies; the ends of an interval belong to it."""
    if row.realised_close > row.upper_95:
        return Verdict.ABOVE
    return Verdict.BELOW if row.realised_close < row.lower_95 else Verdict.INSIDE


def describe_verdict(row: PastForecast | None, session: date, currency: str | None = None) -> str:
    """Return how the newest forecast that was realised has fared."""
    if row is None:
        return "No forecast of it has been realised yet."
    interval = format_interval(row.lower_95, row.upper_95, currency)
    day = "Closed" if row.target_date == session else f"On {row.target_date} it closed"
    close, place = format_price(row.realised_close, currency), judge(row)
    surprise = f": {SURPRISE}" if row.surprise else ""
    return (
        f"{day} at {close}, {place} the 95 % interval {interval}{surprise}."
        + (f" Not live: {MADE[row.mode]}." if row.mode is not Mode.LIVE else "")
        + (" In sample: the model had learnt what came." if row.in_sample else "")
    )


def describe_width(lower: float, upper: float, last_close: float) -> str:
    """Return the width of an interval in per cent of the last close."""
    return f"{100 * (upper - lower) / last_close:.2f} %"


def describe_change(now: tuple[float, float], before: PastForecast | None) -> str | None:
    """Return how much wider an interval is than the one before it, by the logarithms of prices."""
    if before is None or before.upper_95 <= before.lower_95:
        return None
    ratio = log(now[1] / now[0]) / log(before.upper_95 / before.lower_95)
    return compare_width(100 * (ratio - 1), before.origin_date)
