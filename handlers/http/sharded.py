"""Sharded service: of a universe each request is answered from the shard of its tickers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from handlers.http.messages import Request, Response
from handlers.http.problems import Refusal
from handlers.http.routes import OF_TICKER, Service
from pipeline.errors import InvalidField
from pipeline.record.sharding import OF_ONE_SHARD, describe_groups
from pipeline.serving.on_demand import OnDemand
from pipeline.serving.shard_map import ShardMap

OF_ALL = ("/", "/forecasts", "/track-record")


class _Named(msgspec.Struct):
    """What of a body names tickers."""

    ticker: Any = None
    positions: Any = None


@dataclass(frozen=True, slots=True)
class ShardedService:
    """A service for each shard; `root` admits all requests, and answers what is of no ticker."""

    root: Service
    shards: ShardMap
    open_shard: Callable[[int], Service]

    @property
    def on_demand(self) -> OnDemand:
        """What answers where no shard is asked: its model is that of all."""
        return self.root.on_demand

    def answer(self, request: Request) -> Response:
        """Return the answer; raises ForecasterError for what is refused."""
        if not (tickers := self._list_tickers(request)):
            return self.root.answer(request)
        groups = self.shards.find(tickers)
        if len(groups) > 1:
            raise InvalidField("#/positions", OF_ONE_SHARD, f"{describe_groups(groups):.500}")
        return self.open_shard(next(iter(groups))).answer(request)

    def _list_tickers(self, request: Request) -> list[str]:
        """Return the tickers that a request is about, once it may ask; none where it names none."""
        self.root.admit(request)
        if request.method == "OPTIONS":
            return []
        if request.path.startswith(OF_TICKER):
            return [request.path.removeprefix(OF_TICKER).upper()]
        if request.method != "POST":
            if request.path in OF_ALL:
                raise Refusal(404, f"expected {OF_TICKER}TICKER of a universe, got {request.path}")
            return []
        return _list_named(request.json())


def _list_named(body: bytes) -> list[str]:
    """Return the tickers in a body; whoever answers it says what is wrong with another one."""
    try:
        named = msgspec.json.decode(body, type=_Named)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []
    positions = named.positions if isinstance(named.positions, dict) else {}
    names = [named.ticker, *positions]
    return [name.upper() for name in names if isinstance(name, str)]
