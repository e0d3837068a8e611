"""A Yahoo Finance of one's own on 127.0.0.1, for the real yfinance to talk to.

It speaks what the client needs (cookie, consent, crumb, chart), answers from RawBars and
misbehaves on request. Everything that reaches it is kept in `requests`.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from zoneinfo import ZoneInfo

import curl_cffi.requests
import numpy as np
import pytest
import yfinance
from yfinance import cache
from yfinance.data import SingletonMeta, YfData

from pipeline.bars import RawBars

NEW_YORK = ZoneInfo("America/New_York")
CRUMB = "a.loopback/crumb"
CONSENT = b"""<html><form><input name="csrfToken" value="token"/>
<input name="sessionId" value="session"/></form></html>"""


@dataclass(frozen=True)
class Answer:
    """What is sent back; `late` is only sent when the client has long given up."""

    body: bytes
    status: int = 200
    late: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Seen:
    """One request that arrived."""

    host: str
    path: str
    query: Mapping[str, str]
    cookie: str


Behaviour = Callable[[Answer], Answer]


def refusing(status: int, body: bytes = b"") -> Behaviour:
    return lambda good: Answer(body, status)


def refusing_in_json(status: int, code: str, description: str) -> Behaviour:
    error = {"code": code, "description": description}
    return refusing(status, json.dumps({"chart": {"result": None, "error": error}}).encode())


def truncated(good: Answer) -> Answer:
    return replace(good, body=good.body[: len(good.body) // 2])


def late(good: Answer) -> Answer:
    return replace(good, late=True)


def without_bars(good: Answer) -> Answer:
    chart = json.loads(good.body)
    result = chart["chart"]["result"][0]
    del result["timestamp"], result["events"]
    result["indicators"] = {"quote": [{}], "adjclose": [{}]}
    return Answer(json.dumps(chart).encode())


def changing(change: Callable[[dict[str, Any]], None]) -> Behaviour:
    """Return what changes the result in a good chart before it is sent."""

    def behave(good: Answer) -> Answer:
        chart = json.loads(good.body)
        change(chart["chart"]["result"][0])
        return replace(good, body=json.dumps(chart).encode())

    return behave


THROTTLED = refusing(429, b"Too Many Requests\r\n")
UNKNOWN = refusing_in_json(404, "Not Found", "No data found, symbol may be delisted")


class LoopbackYahoo:
    """The server; `bars` are what it knows, by symbol.

    `ignores_range` makes it send all it has, whatever range it is asked for, as Yahoo does with
    the live bar.
    """

    def __init__(self) -> None:
        self.bars: dict[str, RawBars] = {}
        self.ignores_range = False
        self.requests: list[Seen] = []
        self._behaviours: dict[str, Iterator[Behaviour]] = {}
        self._released = threading.Event()
        self._http = _Server(("127.0.0.1", 0), _handler(self))
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    def knows(self, *bars: RawBars) -> None:
        self.bars |= {b.ticker: b for b in bars}

    def misbehaves(self, name: str, behaviours: Iterable[Behaviour]) -> None:
        """Answer requests for a symbol, `cookie` or `crumb` so, one each, then well again."""
        self._behaviours[name] = iter(behaviours)

    def charts(self, symbol: str) -> list[Seen]:
        return [seen for seen in self.requests if seen.path.endswith(f"/chart/{symbol}")]

    def seen(self, path: str) -> list[Seen]:
        return [seen for seen in self.requests if seen.path == path]

    def close(self) -> None:
        self._released.set()
        self._http.shutdown()
        self._http.server_close()

    def answer(self, seen: Seen) -> tuple[Answer, dict[str, str]]:
        self.requests.append(seen)
        name, good, headers = self._route(seen)
        behave = next(self._behaviours.get(name, iter(())), None)
        answer = behave(good) if behave else good
        if answer.late:
            self._released.wait(5)
        return answer, {**headers, **answer.headers}

    def _route(self, seen: Seen) -> tuple[str, Answer, dict[str, str]]:
        if seen.host == "fc.yahoo.com":
            cookie = "A3=loopback; Max-Age=31536000; Domain=.yahoo.com; Path=/; HttpOnly"
            return "cookie", Answer(b"", 404), {"Set-Cookie": cookie}
        if seen.host in ("guce.yahoo.com", "consent.yahoo.com"):
            return "consent", Answer(CONSENT), {}
        if seen.path == "/v1/test/getcrumb":
            return "crumb", Answer(CRUMB.encode()), {}
        symbol = unquote(seen.path.removeprefix("/v8/finance/chart/"))
        if symbol not in self.bars:
            return symbol, UNKNOWN(Answer(b"")), {}
        return symbol, Answer(self._chart(self.bars[symbol], seen.query)), {}

    def _chart(self, bars: RawBars, query: Mapping[str, str]) -> bytes:
        opens = np.array([_opening(session) for session in bars.session.tolist()])
        if "period1" not in query:
            asked = np.arange(len(bars)) >= len(bars) - 1
        elif self.ignores_range:
            asked = np.ones(len(bars), dtype=bool)
        else:
            asked = (opens >= int(query["period1"])) & (opens < int(query["period2"]))
        return json.dumps(build_chart(bars, asked)).encode()


def build_chart(bars: RawBars, asked: np.ndarray | None = None) -> dict[str, Any]:
    """Return a chart of the bars asked for, or of all."""
    opens = np.array([_opening(session) for session in bars.session.tolist()])
    asked = np.ones(len(bars), dtype=bool) if asked is None else asked
    return {"chart": {"result": [_result(bars, opens, asked)], "error": None}}


def _opening(session: Any) -> int:
    return int(datetime.combine(session, time(9, 30), NEW_YORK).timestamp())


def _nulls(values: np.ndarray) -> list[float | None]:
    return [None if np.isnan(value) else value for value in values.tolist()]


def _result(bars: RawBars, opens: np.ndarray, asked: np.ndarray) -> dict[str, Any]:
    prices = ("open", "high", "low", "close", "volume")
    quote = {name: _nulls(getattr(bars, name)[asked]) for name in prices}
    adjusted = _nulls(_adjusted(bars)[asked])
    return {
        "meta": _meta(bars, int(opens[-1])),
        "timestamp": opens[asked].tolist(),
        "events": {
            "dividends": _events(opens, bars.dividend, asked, lambda amount: {"amount": amount}),
            "splits": _events(opens, bars.split, asked, _split),
        },
        "indicators": {"quote": [quote], "adjclose": [{"adjclose": adjusted}]},
    }


def _adjusted(bars: RawBars) -> Any:
    """Close as if every later dividend had been put back into the shares."""
    kept = 1 - bars.dividend / bars.close
    later = np.append(np.nancumprod(kept[::-1])[-2::-1], 1.0)
    return bars.close * later


def _split(ratio: float) -> dict[str, Any]:
    return {"numerator": ratio, "denominator": 1.0, "splitRatio": f"{ratio:g}:1"}


def _events(
    opens: np.ndarray,
    values: np.ndarray,
    asked: np.ndarray,
    event: Callable[[float], dict[str, Any]],
) -> dict[str, Any]:
    rows = np.flatnonzero(asked & (values != 0))
    return {str(opens[i]): {"date": int(opens[i])} | event(float(values[i])) for i in rows}


def _meta(bars: RawBars, opening: int) -> dict[str, Any]:
    offset = int(
        (datetime.fromtimestamp(opening, NEW_YORK).utcoffset() or timedelta()).total_seconds()
    )
    closing = opening + 23_400
    bounds = {"regular": (opening, closing), "pre": (opening - 19_800, opening)}
    bounds["post"] = (closing, closing + 14_400)
    return {
        "currency": "USD",
        "symbol": bars.ticker,
        "exchangeName": "PCX",
        "fullExchangeName": "NYSEArca",
        "instrumentType": "INDEX" if bars.ticker.startswith("^") else "ETF",
        "firstTradeDate": int(datetime(1993, 1, 29, 14, 30, tzinfo=UTC).timestamp()),
        "regularMarketTime": closing,
        "gmtoffset": offset,
        "timezone": "EST",
        "exchangeTimezoneName": "America/New_York",
        "regularMarketPrice": _nulls(bars.close[-1:])[0],
        "priceHint": 2,
        "currentTradingPeriod": {
            name: {"timezone": "EST", "start": start, "end": end, "gmtoffset": offset}
            for name, (start, end) in bounds.items()
        },
        "dataGranularity": "1d",
        "range": "",
        "validRanges": ["1d", "5d", "1mo", "3mo", "6mo", "1y", "2y", "5y", "10y", "ytd", "max"],
    }


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that gave up waiting is what some tests are about."""


def _handler(yahoo: LoopbackYahoo) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            url = urlsplit(self.path)  # absolute: the client takes this server for its proxy
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            cookie = self.headers.get("Cookie", "")
            answer, headers = yahoo.answer(Seen(url.hostname or "", url.path, query, cookie))
            self.send_response(answer.status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        do_POST = do_GET

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


@contextmanager
def loopback_yahoo(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackYahoo]:
    """Run the server as the only Yahoo that yfinance can reach.

    Most of yfinance's addresses stand in the middle of its code, so none is replaced: the server
    is its proxy, and the one change to the client is http for https. Should an address escape the
    change, the server refuses its CONNECT; nothing leaves the machine.
    """
    yahoo = LoopbackYahoo()
    plain = curl_cffi.requests.Session.request

    def unencrypted(session: Any, method: Any, url: str, **options: Any) -> Any:
        return plain(session, method, url.replace("https://", "http://", 1), **options)

    _forget()
    monkeypatch.setattr(curl_cffi.requests.Session, "request", unencrypted)
    monkeypatch.setitem(yfinance.config.network.data, "proxy", yahoo.url)
    monkeypatch.setitem(yfinance.config.debug.data, "hide_exceptions", True)
    try:
        yield yahoo
    finally:
        _forget()
        yahoo.close()


def _forget() -> None:
    """Bring yfinance to the state of a new process."""
    SingletonMeta._instances.clear()
    YfData.cache_get.cache_clear()
    for manager, name in (
        (cache._TzCacheManager, "_tz_cache"),
        (cache._CookieCacheManager, "_Cookie_cache"),
    ):
        used = getattr(manager, name)
        if used is not None and used.db is not None:
            used.db.close()
        setattr(manager, name, None)
    cache._TzDBManager._db = cache._CookieDBManager._db = cache._ISINDBManager._db = None
