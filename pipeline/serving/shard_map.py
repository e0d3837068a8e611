"""Shard map: in which shard of a universe a ticker's views lie, kept for a short while."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from pipeline.errors import NotPublished, StoreError
from pipeline.record.keys import UNIVERSE
from pipeline.record.sharding import find_shard, group_by_number
from pipeline.record.universe_session import LATEST, parse_latest_universe
from pipeline.record.universe_terms import decode_universe_terms

RETRY = 5.0  # seconds after which a store that did not answer is asked again


@dataclass(slots=True)
class ShardMap:
    """Which shards tickers are in, by `universe.json` and `universe/latest.json`.

    The number of shards never changes and is read once; who has moved is read again after `keep`
    seconds, and what is kept of it stands in for a store that does not answer.

    Attributes
    ----------
    read : gives the bytes under a key of the universe's store, None where there are none
    clock : gives seconds of a clock that never goes back
    """

    read: Callable[[str], bytes | None]
    clock: Callable[[], float]
    keep: float = 60.0
    _shards: int | None = None
    _moved: Mapping[str, int] | None = None
    _due: float = -math.inf

    def find(self, tickers: Iterable[str]) -> dict[int, list[str]]:
        """Return the tickers by their shards.

        Raises
        ------
        NotPublished
            When the universe has not begun.
        StoreError
            When the store fails before anything of it is known.
        """
        shards, moved = self._count(), self._read_moved()
        return group_by_number({each: find_shard(each, shards, moved) for each in tickers})

    def _count(self) -> int:
        if self._shards is None:
            data = self.read(UNIVERSE)
            if data is None:
                raise NotPublished(f"{UNIVERSE}: expected it in the store, found none yet")
            self._shards = decode_universe_terms(data, UNIVERSE).shards
        return self._shards

    def _read_moved(self) -> Mapping[str, int]:
        """Return who has moved; raises StoreError while the store has never said."""
        if self._moved is None or self.clock() >= self._due:
            self._due = self.clock() + min(RETRY, self.keep)
            try:
                self._moved = self._ask_moved()
                self._due = self.clock() + self.keep
            except StoreError:
                if self._moved is None:
                    raise
        return self._moved

    def _ask_moved(self) -> Mapping[str, int]:
        data = self.read(LATEST)
        return parse_latest_universe(data).moved if data is not None else {}
