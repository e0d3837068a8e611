"""Sharding: which shard of a universe a ticker belongs to, and where a shard's store lies.

A shard is an ordinary store under `shard=0007/` of the universe's store, with the keys that every
store has. The shard of a ticker follows from its name and the number of shards alone, so that
it stays whatever else comes or goes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from pipeline.ports import ObjectStore, WriteTimes

MOST_SHARDS = 10_000  # four digits, so that folders sort


def assign_shard(ticker: str, shards: int) -> int:
    """Return the shard, from 0, of a ticker in a universe of that many."""
    return int.from_bytes(hashlib.sha256(ticker.encode()).digest()) % shards


def name_shard(number: int) -> str:
    """Return by which name a shard's folder is called: `shard=0007`."""
    return f"shard={number:04d}"


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
