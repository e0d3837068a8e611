"""Bar findings: what is to be seen in one ticker's bars, good or bad, and where."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from pipeline.bar_patterns import find_frozen, find_unadjusted_split
from pipeline.bars import OHLC_TOLERANCE, PRICES, Flags, Floats, RawBars, Sessions
from pipeline.forecasting.adjustment_check import Adjustment, judge_adjustment

# A tick is suspicious so many times as far off as prices then moved in a session.
FAR = 10.0
AROUND = 21  # sessions that say how far prices then moved
RETURNED = 0.25  # of a move of which so much is left after the next session, it has come back
NORMAL = 1.4826  # deviations of a normal variable in a median of absolute moves
MOST_FOUND = 20  # of patterns: where there are more, the first say enough
Days = tuple[date, ...]
Find = Callable[[RawBars], tuple[int, str] | None]


@dataclass(frozen=True, slots=True)
class Findings:
    """What is to be seen in a ticker's bars.

    Attributes
    ----------
    missing, unexpected : sessions of the exchange without a bar, and bars on other days
    splits : day and new shares per old one
    dividends : days on which one was paid
    adjusted : whether prices are adjusted for dividends
    flat : bars of one price
    frozen : days at which prices, or a volume of zero, had stood still for five sessions
    jumps : days on which prices jump like a split that was not adjusted
    idle : bars without volume, of a ticker that has some
    holes : bars without one of their prices
    suspicious : days with a price far off all others about it, or outside low to high
    """

    missing: Days
    unexpected: Days
    splits: tuple[tuple[date, float], ...]
    dividends: Days
    adjusted: Adjustment
    flat: Days
    frozen: Days
    jumps: Days
    idle: Days
    holes: Days
    suspicious: Days


def find_all(raw: RawBars, sessions: Sequence[date]) -> Findings:
    """Return what is to be seen in bars, whatever their order.

    Parameters
    ----------
    sessions : the exchange's, over the span of the bars that its calendar knows
    """
    bars = raw.rows(np.unique(raw.session, return_index=True)[1])
    expected = np.array(sessions, "datetime64[D]")
    first, last = (expected[0], expected[-1]) if len(expected) else (np.datetime64("NaT"),) * 2
    known = bars.session[(bars.session >= first) & (bars.session <= last)]
    priced = np.stack([getattr(bars, name) for name in PRICES])
    whole = (np.isfinite(priced) & (priced > 0)).all(axis=0)
    sound = bars.rows(whole)
    split = np.isfinite(bars.split) & (bars.split > 0) & (bars.split != 1.0)
    paid = np.isfinite(bars.dividend) & (bars.dividend > 0)
    idle = (bars.volume == 0) & (bars.volume > 0).any()
    return Findings(
        missing=_days(np.setdiff1d(expected, known)),
        unexpected=_days(np.setdiff1d(known, expected)),
        splits=tuple(zip(_days(bars.session[split]), bars.split[split].tolist(), strict=True)),
        dividends=_days(bars.session[paid]),
        adjusted=judge_adjustment(sound),
        flat=_days(sound.session[sound.high <= sound.low]),
        frozen=_find_each(sound, find_frozen),
        jumps=_find_each(sound, find_unadjusted_split),
        idle=_days(bars.session[idle]),
        holes=_days(bars.session[~whole]),
        suspicious=_days(sound.session[_are_suspicious(sound)]),
    )


def _days(sessions: Sessions) -> Days:
    return tuple(sessions.tolist())


def _find_each(bars: RawBars, find: Find) -> Days:
    """Return the first days on which a pattern is found, looking on from each."""
    days: list[date] = []
    first = 0
    while len(days) < MOST_FOUND and (found := find(bars.rows(slice(first, None)))) is not None:
        first += found[0]
        days.append(bars.session[first].item())
    return tuple(days)


def _are_suspicious(bars: RawBars) -> Flags:
    """Return which bars have a price that no other near it bears out, bool (n,).

    A close that moves far and comes back, a high or low far from open and close, or a price outside
    low to high.
    """
    top, bottom = np.maximum(bars.open, bars.close), np.minimum(bars.open, bars.close)
    outside: Flags = (top > bars.high * (1 + OHLC_TOLERANCE)) | (
        bottom < bars.low * (1 - OHLC_TOLERANCE)
    )
    if len(bars) < AROUND + 1:
        return outside
    far = FAR * _usual_moves(bars.close)
    spikes = (np.log(bars.high / top) > far) | (np.log(bottom / bars.low) > far)
    moves = np.diff(np.log(bars.close))
    there, back = moves[:-1], moves[1:]
    returned = np.abs(there + back) < RETURNED * np.abs(there)
    spikes[1:-1] |= returned & (np.abs(there) > far[1:-1])
    return outside | spikes


def _usual_moves(close: Floats) -> Floats:
    """Return how far closes moved in a session about each bar, in log, float64 (n,)."""
    moves = np.abs(np.diff(np.log(close), prepend=np.log(close[0])))
    windows = np.lib.stride_tricks.sliding_window_view(moves, AROUND)
    about = np.median(windows, axis=1)
    ends = AROUND // 2
    usual = np.pad(about, (ends, len(close) - len(about) - ends), mode="edge")
    # Of a ticker that hardly moves for a while, as it usually does.
    scale: Floats = NORMAL * np.maximum(usual, np.median(moves) / 2)
    return scale
