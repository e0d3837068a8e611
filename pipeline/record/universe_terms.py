"""Universe terms: what a universe and each of its shards are begun with.

`universe.json` lies at the root of the universe's store, written once: the number of shards decides
where every ticker's record lies. `universe.shard.json` lies in each shard beside its `store.json`
and says which shard it is, and by which rows of the universe it ran last.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from pipeline.encoding import from_json, to_json
from pipeline.errors import StoreError
from pipeline.ports import ObjectStore
from pipeline.record.keys import SHARD, STORE, UNIVERSE
from pipeline.record.manifest import SCHEMA_VERSION, check_version
from pipeline.record.objects import create_or_adopt, read_decoded
from pipeline.record.sharding import MOST_SHARDS, ShardStore

# In the words of a refusal.
FIELDS = {"shards": "shards", "source": "source", "calendar": "calendar"}

Shards = Annotated[int, msgspec.Meta(ge=1, le=MOST_SHARDS)]


class UniverseTerms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What all shards have in common: how many they are, the source's label, the exchange."""

    shards: Shards
    source: str
    calendar: str
    schema_version: int = SCHEMA_VERSION


class ShardTerms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which shard of how many a store is; the number and sha256 of the rows of its tickers.

    `moved` are tickers that it has, or had, although another shard follows from their names.
    """

    shard: Annotated[int, msgspec.Meta(ge=0, lt=MOST_SHARDS)]
    shards: Shards
    tickers: Annotated[int, msgspec.Meta(ge=0)]
    rows_sha256: str
    moved: tuple[str, ...] = ()
    schema_version: int = SCHEMA_VERSION


def read_universe_terms(root: ObjectStore) -> UniverseTerms | None:
    """Return the terms of a universe, None where the store is of none; StoreError for others."""
    return read_decoded(root, UNIVERSE, decode_universe_terms)


def decode_universe_terms(data: bytes, where_from: str) -> UniverseTerms:
    """Return the terms in `data`; raises StoreError if they are none, or of another schema."""
    check_version(data, where_from)
    return from_json(data, UniverseTerms, where_from, "the terms of a universe")


def require_no_record(root: ObjectStore) -> None:
    """Raise StoreError where a universe's store has a record of its own beside the shards'."""
    if root.read(STORE) is not None:
        raise StoreError(
            f"{root.url(STORE)}: expected a store of a universe, found one of a record, which goes "
            "on without one; a universe needs another store"
        )


def fix_universe_terms(root: ObjectStore, terms: UniverseTerms) -> None:
    """Store the terms of a universe that begins; raises StoreError where others are there."""
    stored = decode_universe_terms(
        create_or_adopt(root, UNIVERSE, to_json(terms)), root.url(UNIVERSE)
    )
    for name, words in FIELDS.items():
        expected, received = getattr(stored, name), getattr(terms, name)
        if expected != received:
            raise StoreError(
                f"{root.url(UNIVERSE)}: expected {words} {expected}, as the universe was begun "
                f"with, got {received}; another needs another store"
            )


def read_shard_terms(store: ObjectStore) -> ShardTerms | None:
    """Return which shard a store is, None where it is none; StoreError for what says nothing."""
    return read_decoded(store, SHARD, decode_shard_terms)


def decode_shard_terms(data: bytes, where_from: str) -> ShardTerms:
    """Return the terms in `data`; raises StoreError if they are none, or of another schema."""
    check_version(data, where_from)
    return from_json(data, ShardTerms, where_from, "the terms of a shard")


def fix_shard_terms(store: ShardStore, terms: ShardTerms) -> None:
    """Say in a shard's store which one it is, and what its rows are now.

    Raises
    ------
    StoreError
        When it is another shard, or of another number of them.
    """
    data = to_json(terms)
    stored = decode_shard_terms(create_or_adopt(store, SHARD, data), store.url(SHARD))
    if (stored.shard, stored.shards) != (terms.shard, terms.shards):
        raise StoreError(
            f"{store.url(SHARD)}: expected shard {stored.shard} of {stored.shards}, as the record "
            f"was begun, got {terms.shard} of {terms.shards}; it lies in another's place"
        )
    moved = tuple(sorted({*stored.moved, *terms.moved}))
    if (now := msgspec.structs.replace(terms, moved=moved)) != stored:
        store.replace(SHARD, to_json(now))
