"""Layout: how a universe lies in its store, shard by shard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.errors import ConfigError, RequestError
from pipeline.jobs.universe.members import Universe
from pipeline.ports import ObjectStore
from pipeline.record.chain import find_head
from pipeline.record.sharding import ShardStore, assign_shard
from pipeline.record.universe_terms import (
    ShardTerms,
    UniverseTerms,
    fix_shard_terms,
    fix_universe_terms,
    read_universe_terms,
    require_no_record,
)

PER_SHARD = 250  # tickers of a shard, where nobody says how many shards there are


@dataclass(frozen=True, slots=True)
class Shard:
    """What a run of a shard works with: its store, tickers, and new name -> name before."""

    store: ShardStore
    tickers: tuple[str, ...]
    renamed: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Layout:
    """A universe in its store: `parts` has the shards that have tickers now, by their numbers."""

    root: ObjectStore
    shards: int
    parts: Mapping[int, Universe]

    @property
    def moved(self) -> dict[str, int]:
        """Ticker -> its shard, of those that are in another than follows from their names."""
        return {
            ticker: number
            for number, part in self.parts.items()
            for ticker in part.tickers
            if assign_shard(ticker, self.shards) != number
        }

    def begin(self, number: int) -> Shard:
        """Return a shard whose store says which one it is.

        Raises
        ------
        RequestError
            When no ticker of the universe belongs to it.
        StoreError
            When its store is another shard.
        """
        if (part := self.parts.get(number)) is None:
            raise RequestError(
                f"expected a shard that has tickers, of 0 to {self.shards - 1}, got {number}"
            )
        store = ShardStore(self.root, number)
        moved = tuple(t for t, shard in self.moved.items() if shard == number)
        terms = ShardTerms(number, self.shards, len(part.members), part.rows_sha256, moved)
        fix_shard_terms(store, terms)
        # A record that begins knows no former name, and has nothing that could be taken over.
        renamed = part.renamed if part.renamed and find_head(store) is not None else {}
        return Shard(store, part.tickers, renamed)


def open_layout(
    root: ObjectStore, universe: Universe, source: str, calendar: str, shards: int | None = None
) -> Layout:
    """Return how a universe lies in its store; whoever is first fixes the number of shards.

    Parameters
    ----------
    source, calendar : label of the source, name of the exchange
    shards : None for the store's own, or as many as there are 250 tickers

    Raises
    ------
    ConfigError
        When the universe is of another exchange than `calendar`.
    StoreError
        When the store's universe is of another source, exchange or number of shards, or it has a
        record of its own.
    """
    if universe.calendar not in (None, calendar):
        raise ConfigError(
            f"universe: expected tickers of {calendar}, got {universe.calendar}; say --calendar "
            f"{universe.calendar}, or FORECASTER_CALENDAR"
        )
    require_no_record(root)
    if shards is None:
        stored = read_universe_terms(root)
        shards = stored.shards if stored else count_shards(len(universe.members))
    fix_universe_terms(root, UniverseTerms(shards, source, calendar))
    return Layout(root, shards, universe.split(shards))


def count_shards(tickers: int) -> int:
    """Return of how many shards a universe of so many tickers is, if nobody says."""
    return -(-tickers // PER_SHARD)
