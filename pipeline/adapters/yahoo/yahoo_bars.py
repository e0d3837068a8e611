"""Daily bars from Yahoo Finance, by yfinance."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import yfinance

from pipeline.adapters.yahoo.instrument import NEW_YORK, check_instrument
from pipeline.adapters.yahoo.session import (
    ChartClient,
    silence,
    use_cache,
    use_fresh_cache,
    use_no_cache,
)
from pipeline.adapters.yahoo.translate import CACHE_ERRORS, VENDOR_ERRORS, translate
from pipeline.bars import COLUMNS, RawBars
from pipeline.errors import DataError, InvalidBars, Reason, SourceUnavailable
from pipeline.ports import Reading

FIRST_WAIT = 2.0
LONGEST_WAIT = 60.0
FIELDS = ("Open", "High", "Low", "Close", "Volume", "Dividends", "Stock Splits")


@dataclass(frozen=True, slots=True)
class YahooBars:
    """A BarSource that asks Yahoo Finance.

    Attributes
    ----------
    cache_dir : writable private folder for yfinance's cookies. yfinance keeps one per process: the
        last used wins. Where it holds none that can be used, a temporary one takes its place
    remaining_seconds : gives the seconds left to the caller; nothing is asked or waited for when
        no more than `reserve` of them are left
    zone : the exchange's time zone, by which bars have their dates
    timeout : seconds one HTTP request may take
    attempts : how often a ticker that is unavailable is tried
    index_attempts : the same for an index, ^ in front: forecasts read those as covariates and can
        do without, so that waiting for one only delays them
    reserve : seconds to leave for the slowest ticker and for what follows the reading
    pause : seconds from the beginning of a request to that of the next: of many who ask at once
        each waits so long that all of them together keep to a rate
    """

    cache_dir: Path
    remaining_seconds: Callable[[], float]
    zone: str = NEW_YORK
    timeout: float = 10.0
    attempts: int = 5
    index_attempts: int = 2
    reserve: float = 60.0
    pause: float = 0.0
    sleep: Callable[[float], None] = time.sleep
    random: Callable[[], float] = random.random
    monotonic: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        use_cache(self.cache_dir)
        silence()

    @property
    def label(self) -> str:
        """Name of the source."""
        return "Yahoo Finance"

    def read(self, tickers: Sequence[str], first: date, last: date) -> Reading:
        """Return the bars from `first` to `last`; retries only tickers that are unavailable."""
        bars: dict[str, RawBars] = {}
        failures: dict[str, DataError] = {t: _report_no_time(t) for t in tickers}
        reader = _Reader(self.timeout, self.zone, first, last)
        free_at = self.monotonic()  # when the next request may begin
        for attempt in range(self.attempts):
            retried = [t for t, failure in failures.items() if self._may_retry(t, failure, attempt)]
            if not retried or (attempt and not self._wait(attempt)):
                break
            for ticker in retried:
                if self.remaining_seconds() - max(0.0, free_at - self.monotonic()) <= self.reserve:
                    break
                free_at = self._pace(free_at)
                try:
                    bars[ticker] = reader.read(ticker)
                    del failures[ticker]
                except DataError as error:
                    failures[ticker] = error
        return Reading(bars, failures, currencies=reader.currencies)

    def _pace(self, free_at: float) -> float:
        """Wait until a request may begin; return when the next one may."""
        if (wait := free_at - self.monotonic()) > 0:
            self.sleep(wait)
        return self.monotonic() + self.pause

    def _may_retry(self, ticker: str, failure: DataError, attempt: int) -> bool:
        attempts = self.index_attempts if ticker.startswith("^") else self.attempts
        return attempt < attempts and isinstance(failure, SourceUnavailable)

    def _wait(self, attempt: int) -> bool:
        # Full jitter: callers that were throttled together do not come back together.
        wait = self.random() * min(LONGEST_WAIT, FIRST_WAIT * 2 ** (attempt - 1))
        if self.remaining_seconds() - wait <= self.reserve:
            return False
        self.sleep(wait)
        return True


class _Reader:
    """Reads ticker after ticker; nothing that one of them raises reaches the next.

    `currencies` are what Yahoo says that prices are in, of the tickers read so far.
    """

    def __init__(self, timeout: float, zone: str, first: date, last: date) -> None:
        self._first, self._last = first, last
        self._timeout, self._zone = timeout, zone
        self._other_caches = [use_fresh_cache, use_no_cache]
        self.currencies: dict[str, str] = {}

    def read(self, ticker: str) -> RawBars:
        """Return a ticker's bars; raises DataError."""
        try:
            bars = self._ask_again(ticker).since(self._first).as_of(self._last)
        except VENDOR_ERRORS as error:
            raise translate(ticker, error) from error
        if len(bars) == 0:
            raise InvalidBars(
                f"{ticker}: expected bars from {self._first} to {self._last}, got none",
                Reason.NO_BARS,
            )
        return bars

    def _ask_again(self, ticker: str) -> RawBars:
        """Ask with another cache where the one there is broken or locked, once for all tickers."""
        while self._other_caches:
            try:
                return self._ask(ticker)
            except CACHE_ERRORS:
                use_other = self._other_caches.pop(0)
                use_other()
        return self._ask(ticker)

    def _ask(self, ticker: str) -> RawBars:
        client = ChartClient(self._timeout, self._zone)
        frame = self._fetch_history(client, ticker)
        check_instrument(ticker, client.meta, self._zone)
        if client.meta.currency:
            self.currencies[ticker] = client.meta.currency
        return _to_raw_bars(ticker, frame)

    def _fetch_history(self, client: ChartClient, ticker: str) -> Any:
        yahoo_ticker = yfinance.Ticker(ticker)
        yahoo_ticker._data = client
        # Of the dates asked for; else yfinance would ask Yahoo first, and keep its answer.
        yahoo_ticker._tz = self._zone
        return yahoo_ticker.history(
            start=self._first,
            end=self._last + timedelta(days=1),  # exclusive
            interval="1d",
            auto_adjust=False,
            actions=True,
            repair=False,
            keepna=True,
        )


def _to_raw_bars(ticker: str, frame: Any) -> RawBars:
    # What yfinance does and cannot be told not to: it sorts the rows, of rows of one date it keeps
    # the newest at the end (Yahoo repeats the live bar there) and the first elsewhere, and it makes
    # a missing volume 0. Prices that are missing stay NaN.
    session = frame.index.tz_localize(None).to_numpy().astype("datetime64[D]")
    pairs = zip(COLUMNS, FIELDS, strict=True)
    columns = {ours: frame[theirs].to_numpy(np.float64) for ours, theirs in pairs}
    return RawBars(ticker=ticker, session=session, **columns)


def _report_no_time(ticker: str) -> SourceUnavailable:
    return SourceUnavailable(f"{ticker}: expected time to ask Yahoo Finance, got none")
