"""Sharding: which shard of a universe a ticker belongs to, and where a shard's store lies.

A shard is an ordinary store under `shard=0007/` of the universe's store, with the keys that every
store has. The shard of a ticker follows from its name and the number of shards alone, so that
it stays whatever else comes or goes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.ports import ObjectStore, WriteTimes

OF_UNIVERSE = re.compile(r"shard=[0-9]{4}/|universe/|universe\.json$")
# What is asked about several tickers is expected to be of: their forecasts, and their scenarios.
OF_ONE_RECORD = (
    "tickers of one shard, for each has a record of its own: ask of each shard by itself"
)
OF_ONE_SHARD = "tickers of one shard, for each has scenarios of its own"
MOST_SHARDS = 10_000  # four digits, so that folders sort


def assign_shard(ticker: str, shards: int) -> int:
    """Return the shard, from 0, of a ticker in a universe of that many."""
    return int.from_bytes(hashlib.sha256(ticker.encode()).digest()) % shards


def find_shard(ticker: str, shards: int, moved: Mapping[str, int]) -> int:
    """Return where a ticker's record lies: in its shard by name, unless it has moved."""
    return moved.get(ticker, assign_shard(ticker, shards))


def group_by_number(numbers: Mapping[str, int]) -> dict[int, list[str]]:
    """Return the tickers of each shard, by ticker -> shard, in order of both."""
    groups: dict[int, list[str]] = {}
    for ticker, number in numbers.items():
        groups.setdefault(number, []).append(ticker)
    return dict(sorted(groups.items()))


def describe_groups(groups: Mapping[int, Sequence[str]]) -> str:
    """Return in words which tickers are in which shard: `shard=0001: QQQ; shard=0002: SPY`."""
    return "; ".join(f"{name_shard(n)}: {', '.join(of)}" for n, of in groups.items())


def name_shard(number: int) -> str:
    """Return by which name a shard's folder is called: `shard=0007`."""
    return f"shard={number:04d}"


def is_of_universe(name: str) -> bool:
    """Whether a name in a universe's store is of a shard, or of the universe itself."""
    return OF_UNIVERSE.match(name) is not None


@dataclass(frozen=True, slots=True)
class ShardStore:
    """The objects of one shard; fulfils `pipeline.ports.ObjectStore` by the universe's store."""

    universe: ObjectStore
    number: int

    def read(self, key: str) -> bytes | None:
        return self.universe.read(self._prefix + key)

    def create(self, key: str, data: bytes) -> bool:
        return self.universe.create(self._prefix + key, data)

    def replace(self, key: str, data: bytes) -> None:
        self.universe.replace(self._prefix + key, data)

    def keys(self, prefix: str, after: str = "") -> list[str]:
        begin = self._prefix + after if after else ""
        names = self.universe.keys(self._prefix + prefix, begin)
        return [name.removeprefix(self._prefix) for name in names]

    def written_at(self, prefix: str) -> WriteTimes:
        written = self.universe.written_at(self._prefix + prefix)
        times = {key.removeprefix(self._prefix): at for key, at in written.times.items()}
        return WriteTimes(times, written.vouched)

    def url(self, key: str) -> str:
        return self.universe.url(self._prefix + key)

    @property
    def _prefix(self) -> str:
        return f"{name_shard(self.number)}/"
