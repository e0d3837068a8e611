"""Bars: one ticker's daily open, high, low, close and volume, as read and as validated."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ConfigError, InvalidBars, Reason, StaleBars

Floats = NDArray[np.float64]
Sessions = NDArray[np.datetime64]
Flags = NDArray[np.bool_]

PRICES = ("open", "high", "low", "close")
COLUMNS = (*PRICES, "volume", "dividend", "split")
VIX = "^VIX"
# An index has a caret in front.
TICKER = r"\^?[A-Z0-9][A-Z0-9.=-]{0,15}"
# Beside a folder of bars, the label of the source that they were fetched from.
ORIGIN_FILE = "origin.txt"
LONGEST_LABEL = 500  # bytes of it, white space around it included

# Sources round to different digits, so the high may miss the close by a hair; features clamp it.
OHLC_TOLERANCE = 5e-3
# A close-to-close ratio this near to a split's (in log) is taken for an unadjusted split.
SPLIT_RATIOS = np.array([1.5, 2.0, 3.0, 4.0, 5.0])
SPLIT_TOLERANCE = 0.08


@dataclass(frozen=True, slots=True, eq=False)
class RawBars:
    """One ticker's bars exactly as a source sent them; nothing is checked.

    Attributes
    ----------
    ticker : str
    session : datetime64[D] (n,)
    open, high, low, close : float64 (n,), in the currency of the listing, split-adjusted and
        not dividend-adjusted; NaN where the source left a hole
    volume : float64 (n,), shares
    dividend : float64 (n,), cash per share going ex on that session, 0 for none
    split : float64 (n,), new shares per old share taking effect on that session, 0 for none
    """

    ticker: str
    session: Sessions
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    dividend: Floats
    split: Floats

    def __len__(self) -> int:
        return len(self.session)

    def as_of(self, session: date) -> Self:
        """Return the bars up to and including `session`: what was known at that close."""
        return self.rows(self.session <= np.datetime64(session, "D"))

    def since(self, session: date) -> Self:
        """Return the bars from `session` on."""
        return self.rows(self.session >= np.datetime64(session, "D"))

    def tail(self, n: int) -> Self:
        """Return the last n bars, or all where there are fewer."""
        return self.rows(slice(-n, None))

    def rows(self, rows: Any) -> Self:
        """Return the bars that `rows`, an index, a slice or bool (n,), selects."""
        columns = {f.name: getattr(self, f.name)[rows] for f in fields(self) if f.name != "ticker"}
        return type(self)(ticker=self.ticker, **columns)


@dataclass(frozen=True, slots=True, eq=False)
class Bars(RawBars):
    """One ticker's validated bars: ordered unique sessions, finite positive consistent prices.

    Raises
    ------
    InvalidBars
        On construction, when a rule is broken; `reason` names the rule.
    """

    def __post_init__(self) -> None:
        check_shapes(self)
        check_sessions(self)
        check_prices(self)

    @classmethod
    def validate(cls, raw: RawBars) -> Bars:
        """Return `raw` as Bars; raises InvalidBars with the reason of the first rule broken."""
        return cls(**{f.name: getattr(raw, f.name) for f in fields(raw)})


def parse_label(data: bytes, where_from: str) -> str:
    """Return a source's label, one line of text, in `data`; raises ConfigError if it is none."""
    try:
        label = data.decode("utf-8-sig").strip()
    except UnicodeDecodeError as exc:
        raise ConfigError(f"{where_from}: expected text in UTF-8, got {exc.reason}") from exc
    if not label or not label.isprintable() or len(data) > LONGEST_LABEL:
        raise ConfigError(
            f"{where_from}: expected one line of up to {LONGEST_LABEL} bytes that names where the "
            f"bars come from, got {label[:50]!r}"
        )
    return label


def check_shapes(bars: RawBars) -> None:
    """Raise InvalidBars unless every column has one value per session, and there is one."""
    if len(bars) == 0:
        raise InvalidBars(f"{bars.ticker}: expected bars, got none", Reason.NO_BARS)
    for name in COLUMNS:
        column = getattr(bars, name)
        if column.shape != bars.session.shape:
            raise InvalidBars(
                f"{bars.ticker}: expected {name} of shape {bars.session.shape}, got {column.shape}",
                Reason.UNREADABLE,
            )


def check_sessions(bars: RawBars) -> None:
    """Raise InvalidBars unless the sessions are strictly increasing."""
    step = np.diff(bars.session).astype(np.int64)
    if (step == 0).any():
        twice = bars.session[1:][step == 0][0]
        raise InvalidBars(f"{bars.ticker}: {twice} came twice", Reason.DUPLICATE_SESSION)
    if (step < 0).any():
        at = int(np.argmax(step < 0))
        raise InvalidBars(
            f"{bars.ticker}: expected sessions in order, got {bars.session[at + 1]} "
            f"after {bars.session[at]}",
            Reason.UNORDERED_SESSIONS,
        )


def check_prices(bars: RawBars) -> None:
    """Raise InvalidBars unless prices are finite, positive, consistent and free of jumps."""
    prices = np.stack([getattr(bars, name) for name in PRICES])
    _refuse_first(
        bars, ~np.isfinite(prices).all(axis=0), "a price is NaN or infinite", Reason.BAR_NAN
    )
    _refuse_first(
        bars, np.any(prices <= 0, axis=0), "a price is not positive", Reason.NON_POSITIVE_PRICE
    )
    with np.errstate(over="ignore"):  # of a price near the end of all numbers
        above: Flags = prices.max(axis=0) > bars.high * (1 + OHLC_TOLERANCE)
    below: Flags = prices.min(axis=0) < bars.low * (1 - OHLC_TOLERANCE)
    _refuse_first(bars, above | below, "a price lies outside low to high", Reason.INCONSISTENT_OHLC)
    _refuse_first(
        bars, _find_jumps(bars.close), "the close jumps like an unadjusted split", Reason.PRICE_JUMP
    )


def _refuse_first(bars: RawBars, broken: Flags, what: str, reason: Reason) -> None:
    if not broken.any():
        return
    at = int(np.argmax(broken))
    if reason is Reason.BAR_NAN and at == len(bars) - 1:
        reason = Reason.LAST_BAR_NAN
    prices = ", ".join(f"{name} {getattr(bars, name)[at]:g}" for name in PRICES)
    raise InvalidBars(f"{bars.ticker}: on {bars.session[at]} {what}: {prices}", reason)


def _find_jumps(close: Floats) -> Flags:
    size = np.abs(np.diff(np.log(close), prepend=np.log(close[:1])))
    near_split = np.abs(size[:, None] - np.log(SPLIT_RATIOS)) <= SPLIT_TOLERANCE
    flags: Flags = near_split.any(axis=1) | (size > np.log(SPLIT_RATIOS[-1]))
    return flags


def select_span(bars: RawBars, first: date, last: date) -> RawBars:
    """Return the bars from `first` to `last`; raises StaleBars where all are older."""
    newest: date | None = bars.session.max().item() if len(bars) else None
    if newest is not None and newest < first:
        message = f"{bars.ticker}: expected a bar of {last}, newest is of {newest}"
        raise StaleBars(message, newest=newest)
    return bars.since(first).as_of(last)
