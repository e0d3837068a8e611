"""Bars: one ticker's daily open, high, low, close and volume, as read and as validated."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.bar_patterns import FROZEN_SESSIONS, find_frozen, find_unadjusted_split
from pipeline.errors import InvalidBars, Reason

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

# Sources round to different digits, so the high may miss the close by a hair; features clamp it.
OHLC_TOLERANCE = 5e-3


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

    def between(self, first: date, last: date) -> Self:
        """Return the bars from `first` to `last`, both included."""
        ends = np.array([first, last], "datetime64[D]")
        if not (self.session[1:] > self.session[:-1]).all():
            return self.rows((self.session >= ends[0]) & (self.session <= ends[1]))
        start, end = np.searchsorted(self.session, ends + [0, 1])
        return self.rows(slice(start, end))

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
    def validate(cls, raw: RawBars, confirmed: date | None = None) -> Bars:
        """Return `raw` as Bars that a market can have made.

        What later vintages have confirmed is history, however odd: no price up to the session
        `confirmed` is taken for an unadjusted split.

        Raises
        ------
        InvalidBars
            With the reason of the first rule broken.
        """
        bars = cls(**{f.name: getattr(raw, f.name) for f in fields(raw)})
        check_patterns(bars, confirmed)
        return bars


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
    """Raise InvalidBars unless prices are finite, positive and consistent."""
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


def check_patterns(bars: RawBars, confirmed: date | None = None) -> None:
    """Raise InvalidBars for what no market makes: see `pipeline.bar_patterns`."""
    doubtful = bars if confirmed is None else bars.since(confirmed)
    if (jump := find_unadjusted_split(doubtful)) is not None:
        at, split = jump
        raise InvalidBars(
            f"{bars.ticker}: on {doubtful.session[at]} the close jumps like {split}, for which the "
            f"bars before are not adjusted: {_show_prices(doubtful, at - 1)} before, "
            f"{_show_prices(doubtful, at)}",
            Reason.PRICE_JUMP,
        )
    if (frozen := find_frozen(bars)) is not None:
        at, what = frozen
        raise InvalidBars(
            f"{bars.ticker}: {FROZEN_SESSIONS} sessions up to {bars.session[at]} have {what}: "
            f"{_show_prices(bars, at)}, volume {bars.volume[at]:g}",
            Reason.FROZEN,
        )


def _refuse_first(bars: RawBars, broken: Flags, what: str, reason: Reason) -> None:
    if not broken.any():
        return
    at = int(np.argmax(broken))
    if reason is Reason.BAR_NAN and at == len(bars) - 1:
        reason = Reason.LAST_BAR_NAN
    raise InvalidBars(
        f"{bars.ticker}: on {bars.session[at]} {what}: {_show_prices(bars, at)}", reason
    )


def _show_prices(bars: RawBars, at: int) -> str:
    return ", ".join(f"{name} {getattr(bars, name)[at]:g}" for name in PRICES)
