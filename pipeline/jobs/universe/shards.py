"""The shards of a universe that is in a store: where each is, and whose record is in which."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.errors import ConfigError, RequestError
from pipeline.ports import ObjectStore
from pipeline.record.keys import SHARD
from pipeline.record.sharding import (
    OF_ONE_RECORD,
    ShardStore,
    describe_groups,
    group_by_number,
    name_shard,
)
from pipeline.record.universe_session import find_shards
from pipeline.record.universe_terms import read_universe_terms


def list_shard_stores(root: ObjectStore) -> dict[int, ShardStore]:
    """Return the stores of the shards that a universe has so far, by their numbers."""
    terms = read_universe_terms(root)
    stores = {number: ShardStore(root, number) for number in range(terms.shards if terms else 0)}
    return {number: store for number, store in stores.items() if store.read(SHARD) is not None}


def group_by_shard(root: ObjectStore, tickers: Sequence[str]) -> dict[int, list[str]]:
    """Return which tickers' records lie in which shard of a universe."""
    return group_by_number(find_shards(root, tickers))


def select_store(
    root: ObjectStore, tickers: Sequence[str], expected: str = OF_ONE_RECORD
) -> ObjectStore:
    """Return the store in which all of these tickers are: this one, or a shard of its universe.

    `expected` says what they are to have in common, and why.

    Raises
    ------
    ConfigError
        When it is of a universe, and there are no tickers.
    RequestError
        When they are in several shards.
    """
    if read_universe_terms(root) is None:
        return root
    if not tickers:
        raise ConfigError(
            f"store: expected a store with a record, got {root.url('').rstrip('/')}, of a "
            f"universe; say a shard of it as {root.url(name_shard(0))}, or tickers where "
            "the command takes them"
        )
    groups = group_by_shard(root, tickers)
    if len(groups) > 1:
        raise RequestError(f"expected {expected}, got {describe_groups(groups)}")
    return ShardStore(root, next(iter(groups)))
