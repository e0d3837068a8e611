"""Daily bars from Yahoo Finance, by yfinance."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import yfinance
from curl_cffi import CurlOpt
from yfinance.data import YfData
from yfinance.exceptions import YFDataException, YFException, YFPricesMissingError

from pipeline.bars import COLUMNS, RawBars
from pipeline.errors import DataError, InvalidBars, Reason, SourceUnavailable
from pipeline.ports import Reading

FIRST_WAIT = 2.0
LONGEST_WAIT = 60.0
FIELDS = ("Open", "High", "Low", "Close", "Volume", "Dividends", "Stock Splits")
# yfinance trusts the JSON it reads, so a broken answer surfaces as whatever breaks first.
VENDOR_ERRORS = (
    YFException,
    NotImplementedError,
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
)


@dataclass(frozen=True, slots=True)
class YahooBars:
    """A BarSource that asks Yahoo Finance.

    Attributes
    ----------
    cache_dir : writable private folder for yfinance's time zones and cookies. yfinance keeps one
        per process: the first used wins
    remaining_seconds : gives the seconds left to the caller; nothing is asked or waited for when
        no more than `reserve` of them are left
    timeout : seconds one HTTP request may take
    attempts : how often a ticker that is unavailable is tried
    index_attempts : the same for an index, ^ in front: forecasts read those as covariates and can
        do without, so that waiting for one only delays them
    reserve : seconds to leave for the slowest ticker and for what follows the reading
    """

    cache_dir: Path
    remaining_seconds: Callable[[], float]
    timeout: float = 10.0
    attempts: int = 5
    index_attempts: int = 2
    reserve: float = 60.0
    sleep: Callable[[float], None] = time.sleep
    random: Callable[[], float] = random.random

    def __post_init__(self) -> None:
        yfinance.set_tz_cache_location(str(self.cache_dir))
        yfinance.config.debug.hide_exceptions = False
        logging.getLogger("yfinance").setLevel(logging.CRITICAL)  # it logs what it raises

    @property
    def label(self) -> str:
        """Name of the source."""
        return "Yahoo Finance"

    def read(self, tickers: Sequence[str], first: date, last: date) -> Reading:
        """Return the bars from `first` to `last`; retries only tickers that are unavailable."""
        bars: dict[str, RawBars] = {}
        failures: dict[str, DataError] = {t: _report_no_time(t) for t in tickers}
        client = _Client(self.timeout)
        for attempt in range(self.attempts):
            retried = [t for t, failure in failures.items() if self._may_retry(t, failure, attempt)]
            if not retried or (attempt and not self._wait(attempt)):
                break
            for ticker in retried:
                if self.remaining_seconds() <= self.reserve:
                    break
                try:
                    bars[ticker] = _read_ticker(client, ticker, first, last)
                    del failures[ticker]
                except DataError as error:
                    failures[ticker] = error
        return Reading(bars, failures)

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


class _Client:
    """yfinance's own HTTP client, with answers that hold no chart turned into errors.

    yfinance.download cannot be used: it keeps errors only as text, lines up all tickers' rows, so
    that a missing session looks like a NaN bar, and swaps the session while keeping its crumb.
    Ticker.history over one shared client sends the same requests and raises. But it would call
    every refusal "possibly delisted", hiding the status, and remember broken answers (`cache_get`
    keeps them for the life of the process): so both ways to ask lead here.
    """

    def __init__(self, timeout: float) -> None:
        self._client = YfData()
        self._timeout = timeout
        # Cookie, crumb and time zone requests have waits of their own, up to 30 s each; a ceiling
        # on the session holds for all.
        ceiling = {CurlOpt.TIMEOUT_MS: int(timeout * 1000)}
        self._client._session.curl_options.update(ceiling)

    def get(self, url: str, params: dict[str, Any] | None = None, timeout: Any = None) -> Any:
        response = self._client.get(url, params, self._timeout)
        response.raise_for_status()
        chart = response.json()["chart"]
        if chart.get("error") or not chart["result"]:
            raise YFDataException(f"a chart without result, its error: {chart.get('error')}")
        return response

    cache_get = get


def _read_ticker(client: _Client, ticker: str, first: date, last: date) -> RawBars:
    try:
        frame = _fetch_history(client, ticker, first, last)
        bars = _to_raw_bars(ticker, frame).since(first).as_of(last)
    except VENDOR_ERRORS as error:
        raise translate(ticker, error) from error
    if len(bars) == 0:
        raise InvalidBars(
            f"{ticker}: expected bars from {first} to {last}, got none", Reason.NO_BARS
        )
    return bars


def _fetch_history(client: _Client, ticker: str, first: date, last: date) -> Any:
    yahoo_ticker = yfinance.Ticker(ticker)
    yahoo_ticker._data = client
    return yahoo_ticker.history(
        start=first,
        end=last + timedelta(days=1),  # exclusive
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


def translate(ticker: str, error: Exception) -> DataError:
    """Return what `error`, raised by yfinance, means in this project's terms."""
    response = getattr(error, "response", None)
    refusal = (response.status_code, _parse_error_code(response)) if response is not None else None
    if refusal == (404, "Not Found"):
        return InvalidBars(
            f"{ticker}: expected a ticker Yahoo Finance knows, got HTTP 404 Not Found",
            Reason.UNKNOWN_TICKER,
        )
    # 400 is how Yahoo refuses a range outside the ticker's life. A chart without prices comes with
    # 200: _Client lets nothing else pass.
    if refusal == (400, "Bad Request") or isinstance(error, YFPricesMissingError):
        return InvalidBars(f"{ticker}: expected bars, got none: {error}", Reason.NO_BARS)
    return SourceUnavailable(
        f"{ticker}: expected bars from Yahoo Finance, got {type(error).__name__}: {error}"
    )


def _parse_error_code(response: Any) -> object:
    try:
        return response.json()["chart"]["error"]["code"]
    except (ValueError, LookupError, TypeError):
        return None


def _report_no_time(ticker: str) -> SourceUnavailable:
    return SourceUnavailable(f"{ticker}: expected time to ask Yahoo Finance, got none")
