"""Session: yfinance's own HTTP session and caches, within bounds and for one purpose."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yfinance
from curl_cffi import CurlOpt
from curl_cffi.curl import CURL_WRITEFUNC_ERROR
from curl_cffi.requests import Session
from yfinance import cache
from yfinance.data import YfData

from pipeline.adapters.yahoo.chart import Meta, clean_chart, parse_json

# Of one answer, unpacked. Ninety years of daily bars have 2 million bytes.
LARGEST_ANSWER = 32 * 2**20


def use_cache(folder: Path) -> None:
    """Let yfinance keep its cookies in a folder from now on, whatever it kept them in before."""
    yfinance.set_tz_cache_location(str(folder))
    # It opens a cache once, and holds on to one that it could not open.
    cache._TzCacheManager._tz_cache = None
    cache._CookieCacheManager._Cookie_cache = None


def use_fresh_cache() -> None:
    """Let yfinance keep its cookies in a temporary folder of its own."""
    use_cache(Path(tempfile.mkdtemp(prefix="yfinance-")))


def use_no_cache() -> None:
    """Let yfinance keep nothing: where what it has just stored cannot be read back either."""
    cache.get_cookie_cache().dummy = True


def silence() -> None:
    """Let yfinance raise what goes wrong, and say nothing of it itself."""
    yfinance.config.debug.hide_exceptions = False
    logging.getLogger("yfinance").setLevel(logging.CRITICAL)


class _BoundedSession(Session[Any]):
    """curl_cffi's session, which reads no more of an answer than LARGEST_ANSWER, unpacked."""

    def request(self, *args: Any, **options: Any) -> Any:
        body = bytearray()

        def keep(data: bytes) -> int:
            if len(body) + len(data) > LARGEST_ANSWER:
                return int(CURL_WRITEFUNC_ERROR)  # ends the transfer, which raises
            body.extend(data)
            return len(data)

        response = super().request(*args, **{**options, "content_callback": keep})
        response.content = bytes(body)
        return response


class Answer:
    """What yfinance takes for a response: a chart with nothing in it but what is known."""

    def __init__(self, chart: Mapping[str, Any]) -> None:
        self._chart = chart
        self.text = ""  # in which yfinance looks for a notice that Yahoo is down

    def json(self) -> Mapping[str, Any]:
        """Return the chart."""
        return self._chart


class ChartClient:
    """yfinance's own HTTP client, with answers that hold no chart turned into errors.

    yfinance.download cannot be used: it keeps errors only as text, lines up all tickers' rows, so
    that a missing session looks like a NaN bar, and swaps the session while keeping its crumb.
    Ticker.history over one shared client sends the same requests and raises. But it would call
    every refusal "possibly delisted", hiding the status, remember broken answers (`cache_get`
    keeps them for the life of the process) and break at any column or event it does not expect: so
    both ways to ask lead here. `meta` is what the last chart said its bars are of.
    """

    def __init__(self, timeout: float, zone: str) -> None:
        self._client = YfData()
        if not isinstance(self._client._session, _BoundedSession):
            self._client._set_session(_BoundedSession(impersonate="chrome"))
        self._timeout, self._zone = timeout, zone
        # Cookie and crumb requests have waits of their own, up to 30 s each; a ceiling on the
        # session holds for all.
        ceiling = {CurlOpt.TIMEOUT_MS: int(timeout * 1000)}
        self._client._session.curl_options.update(ceiling)
        self.meta = Meta()

    def get(self, url: str, params: dict[str, Any] | None = None, timeout: Any = None) -> Answer:
        """Return the chart of an answer; raises what yfinance, curl or the reading of it raise."""
        response = self._client.get(url, params, self._timeout)
        response.raise_for_status()
        self.meta, chart = clean_chart(parse_json(response.content), self._zone)
        return Answer(chart)

    cache_get = get
