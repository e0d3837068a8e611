"""An embedded market of four ETFs, any made-up ones and a volatility index: bars without a network.

Each session has a common volatility that clusters, rises after falls and jumps, a common shock
with fat tails, and an own shock per ETF; prices move overnight and then along an intraday path
whose extremes are the high and the low. All of it unfolds from one first session, session after
session from the same streams of random numbers: asking later or for less never changes the past.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from pipeline.adapters.simulated.etfs import ETFS, MADE_UP, Etf, find_etf
from pipeline.bars import Flags, Floats, RawBars, Sessions
from pipeline.errors import ConfigError, Reason, SourceUnavailable
from pipeline.ports import Calendar, Reading

START = date(2020, 1, 2)


INDEX = "^VIX"
DRIFT = 0.08 / 252  # log return a session
# The logarithm of daily volatility reverts to its mean; falls raise it more than chance does.
LOG_VOL, PERSISTENCE, LEVERAGE, CHANCE = np.log(0.145 / np.sqrt(252)), 0.97, 0.09, 0.045
LOG_VOL_REACH = 1.05  # from about 5 to 41 % a year
TAILS = 8  # degrees of freedom of the sessions' fat tails
JUMPS_A_SESSION = 1 / 150
OVERNIGHT = 0.25  # share of a session's variance; the rest is that of its half-hours
HALF_HOURS = 13
STEP = (1 - OVERNIGHT) / HALF_HOURS
# The index promises more than volatility turns out to be, over the next 21 sessions.
PREMIUM, AHEAD = 1.15, np.arange(21)


class SimulatedMarket:
    """The market of one seed on a calendar's sessions; fulfils `pipeline.ports.BarSource`."""

    label = "simulated market (not real prices)"

    def __init__(self, calendar: Calendar, seed: int = 2) -> None:
        if seed < 0:
            raise ConfigError(f"expected a seed of 0 or more, got {seed}")
        self._calendar = calendar
        self._seed = seed

    def read(self, tickers: Sequence[str], first: date, last: date) -> Reading:
        """Return the bars from `first` to `last`; the market opened on 2020-01-02.

        It ends with its calendar, which raises ConfigError for a later `last`.
        """
        market = _simulate(self._list_sessions(last), self._seed, tickers)
        bars = {ticker: market[ticker].since(first) for ticker in tickers if ticker in market}
        unknown = (ticker for ticker in tickers if ticker not in market)
        return Reading(bars, {ticker: _report_unknown(ticker) for ticker in unknown})

    def _list_sessions(self, last: date) -> Sessions:
        """Return the sessions from the start to `last`, datetime64[D] (n,)."""
        return np.array(self._calendar.between(START, last), "datetime64[D]")


@dataclass(frozen=True, slots=True, eq=False)
class Common:
    """What all symbols share, by session; shocks are in units of volatility."""

    volatility: Floats  # (n,) standard deviation of the common log return
    next_log_volatility: Floats  # (n,) its logarithm one session later, known at the close
    tail: Floats  # (n,) multiplies every shock of the session
    overnight: Floats  # (n,) common shock before the open
    steps: Floats  # (n, 13) common shocks of the half-hours


def _report_unknown(ticker: str) -> SourceUnavailable:
    symbols = ", ".join([*ETFS, INDEX])
    return SourceUnavailable(
        f"expected one of the simulated {symbols} or {MADE_UP}, got {ticker}",
        Reason.UNKNOWN_TICKER,
    )


def _simulate(sessions: Sessions, seed: int, tickers: Sequence[str]) -> dict[str, RawBars]:
    """Return what the market has of some tickers on `sessions`; no row needs a later one."""
    common = _simulate_common(len(sessions), seed)
    known = {ticker: etf for ticker in tickers if (etf := find_etf(ticker)) is not None}
    market = {t: _simulate_etf(t, etf, sessions, common, seed) for t, etf in known.items()}
    return market | {INDEX: _simulate_index(sessions, common, seed)}


def _open_stream(seed: int, *name: str) -> np.random.Generator:
    """Return the random numbers of one array, apart from all others: more rows only append."""
    return np.random.Generator(np.random.PCG64([seed, *"/".join(name).encode()]))


def _simulate_common(n: int, seed: int) -> Common:
    tail = np.sqrt((TAILS - 2) / _open_stream(seed, "tail").chisquare(TAILS, n)).clip(max=2.5)
    overnight = tail * np.sqrt(OVERNIGHT) * _open_stream(seed, "overnight").standard_normal(n)
    steps = _open_stream(seed, "steps").standard_normal((n, HALF_HOURS))
    steps *= tail[:, None] * np.sqrt(STEP)
    jump = _open_stream(seed, "jump size").normal(-1.5, 3, n).clip(-6, 5)
    overnight += jump * (_open_stream(seed, "jump").random(n) < JUMPS_A_SESSION)
    fall = -(overnight + steps.sum(axis=1)).clip(-2.5, 2.5)
    chance = _open_stream(seed, "volatility").standard_normal(n).clip(-2.5, 2.5)
    log_vol = _log_volatility(LEVERAGE * fall + CHANCE * chance)
    return Common(np.exp(log_vol[:-1]), log_vol[1:], tail, overnight, steps)


def _log_volatility(news: Floats) -> Floats:
    """Return the path (n + 1,) that reverts to its mean and takes in the news (n,)."""
    away = [0.0]
    for new in news.tolist():
        away.append(min(max(PERSISTENCE * away[-1] + new, -LOG_VOL_REACH), LOG_VOL_REACH))
    path: Floats = LOG_VOL + np.array(away)
    return path


def _simulate_etf(ticker: str, etf: Etf, sessions: Sessions, common: Common, seed: int) -> RawBars:
    n, size = len(sessions), common.volatility[:, None]
    own, ex = etf.own * common.tail, _is_ex_dividend(sessions)
    night = np.sqrt(OVERNIGHT) * _open_stream(seed, ticker, "overnight").standard_normal(n)
    gap = common.volatility * (etf.beta * common.overnight + own * night)
    gap += DRIFT + ex * np.log1p(-etf.dividends / 4)
    steps = np.sqrt(STEP) * _open_stream(seed, ticker, "steps").standard_normal((n, HALF_HOURS))
    path = np.cumsum(size * (etf.beta * common.steps + own[:, None] * steps), axis=1)
    moved = gap + path[:, -1]
    close = np.log(etf.close) + np.cumsum(moved) - moved[:1]
    open_ = close - path[:, -1]
    variance = (size * common.tail[:, None]) ** 2 * (etf.beta**2 + etf.own**2) * STEP
    high = open_ + _draw_highest(path, variance, _open_stream(seed, ticker, "high"))
    low = open_ - _draw_highest(-path, variance, _open_stream(seed, ticker, "low"))
    volume = _draw_volume(etf.volume, moved, common, seed, ticker)
    dividend = ex * np.exp(np.roll(close, 1)) * etf.dividends / 4
    return _build_bars(ticker, sessions, (open_, high, low, close), volume, dividend.round(3))


def _draw_highest(path: Floats, variance: Floats, random: np.random.Generator) -> Floats:
    """Return the maximum (n,) of Brownian paths from 0 through the points of `path` (n, 13)."""
    before = np.hstack([np.zeros((len(path), 1)), path[:, :-1]])
    luck = np.log(1 - random.random(path.shape))
    tops = (before + path + np.sqrt((path - before) ** 2 - 2 * variance * luck)) / 2
    highest: Floats = tops.max(axis=1)
    return highest


def _draw_volume(usual: float, moved: Floats, common: Common, seed: int, ticker: str) -> Floats:
    n = len(moved)
    busy = 0.8 * (np.log(common.volatility) - LOG_VOL) + 0.2 * np.abs(moved) / common.volatility
    busy += 0.15 * _open_stream(seed, "volume").standard_normal(n)
    busy += 0.12 * _open_stream(seed, ticker, "volume").standard_normal(n)
    shares: Floats = np.rint(usual * np.exp(busy - 0.16))
    return shares


def _is_ex_dividend(sessions: Sessions) -> Flags:
    """Say which sessions (n,) are the first on or after the third Friday of a quarter's end."""
    month = sessions.astype("datetime64[M]")
    friday = np.busday_offset(month.astype("datetime64[D]"), 2, roll="forward", weekmask="Fri")
    before = np.roll(sessions, 1) < friday  # the first row has none; it lies in no such month
    ex: Flags = (month.astype(int) % 3 == 2) & (sessions >= friday) & before
    return ex


def _simulate_index(sessions: Sessions, common: Common, seed: int) -> RawBars:
    """Return the volatility index: the volatility expected over a month, per cent a year."""
    noise = _open_stream(seed, INDEX).standard_normal((len(sessions), 4)).clip(-2, 2)
    decay = PERSISTENCE**AHEAD
    spread = (LEVERAGE**2 + CHANCE**2) * (1 - decay**2) / (1 - PERSISTENCE**2)
    log_vol = LOG_VOL + decay * (common.next_log_volatility[:, None] - LOG_VOL)
    variance = np.exp(2 * (log_vol + spread)).mean(axis=1)
    close = np.log(100 * PREMIUM * np.sqrt(252 * variance)) + 0.01 * noise[:, 0]
    before = np.concatenate([close[:1], close[:-1]])
    open_ = 0.6 * before + 0.4 * close + 0.01 * noise[:, 1]
    high = np.maximum(open_, close) + 0.02 * np.abs(noise[:, 2])
    low = np.minimum(open_, close) - 0.02 * np.abs(noise[:, 3])
    none = np.zeros(len(sessions))
    return _build_bars(INDEX, sessions, (open_, high, low, close), none, none)


def _build_bars(
    ticker: str, sessions: Sessions, logs: tuple[Floats, ...], volume: Floats, dividend: Floats
) -> RawBars:
    open_, high, low, close = (np.exp(log).round(2) for log in logs)
    split = np.zeros(len(sessions))
    return RawBars(ticker, sessions, open_, high, low, close, volume, dividend, split)
