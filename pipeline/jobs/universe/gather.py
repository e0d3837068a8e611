"""Gather: write the manifest of manifests of a session, once its shards have run.

Written from the shards' manifests alone, so that whoever gathers the same shards again writes equal
bytes, and who comes when a late shard has run writes that shard too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from functools import partial

from pipeline.encoding import sha256, to_json
from pipeline.errors import StoreError
from pipeline.jobs.universe.layout import Layout
from pipeline.ports import ObjectStore
from pipeline.record.grammar import list_keys
from pipeline.record.keys import session_prefix
from pipeline.record.manifest import last_statuses, read_manifest, reasons_of
from pipeline.record.sharding import ShardStore
from pipeline.record.universe_session import (
    LATEST,
    LatestUniverse,
    ListedShard,
    ShardSession,
    UniverseSession,
    list_key,
    parse_latest_universe,
    read_listed,
)
from pipeline.record.universe_terms import read_shard_terms

READERS = 16  # shards that are read side by side


def list_shards(layout: Layout, session: date, at: datetime) -> list[ListedShard]:
    """Return the shards that a session is run for, and store them for whoever runs and gathers.

    What is listed already stays, time included, unless shards have come or gone.
    """
    stored = _read_list(layout.root, session)
    if stored is not None and [each.shard for each in stored] == [*layout.parts]:
        return stored
    listed = [ListedShard(number, at.astimezone(UTC).isoformat()) for number in layout.parts]
    layout.root.replace(list_key(session), to_json(listed))
    return listed


def gather(layout: Layout, session: date) -> UniverseSession:
    """Return what the shards have of a session, written down unless it is nothing at all.

    Raises
    ------
    StoreError
        When the universe's own store fails.
    """
    listed = _read_list(layout.root, session)
    numbers = [each.shard for each in listed] if listed is not None else [*layout.parts]
    gathered = _read_shards(layout.root, numbers, session)
    if gathered.gathered or gathered.failed:
        _replace_changed(layout.root, gathered.key, to_json(gathered))
        _refresh_latest(layout, gathered)
    return gathered


def _read_list(root: ObjectStore, session: date) -> list[ListedShard] | None:
    try:
        return read_listed(root, session)
    except StoreError:  # damaged: what is a view stops nobody
        return None


def _read_shards(root: ObjectStore, numbers: Sequence[int], session: date) -> UniverseSession:
    with ThreadPoolExecutor(READERS) as pool:
        answers = list(pool.map(partial(_read_shard, root, session), sorted(numbers)))
    read = dict(zip(sorted(numbers), answers, strict=True))
    gathered = {n: each for n, each in read.items() if isinstance(each, ShardSession)}
    return UniverseSession(
        session=session,
        published=sum(each.published for each in gathered.values()),
        withheld=_add(each.withheld for each in gathered.values()),
        gathered={str(n): each for n, each in gathered.items()},
        missing=tuple(n for n, each in read.items() if each is None),
        failed={str(n): each for n, each in read.items() if isinstance(each, str)},
    )


def _read_shard(root: ObjectStore, session: date, number: int) -> ShardSession | str | None:
    """Return what a shard has of a session, None for nothing; in words why it cannot be read."""
    store = ShardStore(root, number)
    try:
        keys = list_keys(store, session_prefix(session))
        read = {key: read_manifest(store, key) for key in keys}
    except StoreError as exc:
        return str(exc)
    if not read:
        return None
    statuses = last_statuses(run for run, _ in read.values())
    withheld = _count(reasons_of(statuses).values())
    return ShardSession(
        manifests={key: digest for key, (_, digest) in read.items()},
        published=len(statuses) - sum(withheld.values()),
        withheld=withheld,
    )


def _refresh_latest(layout: Layout, gathered: UniverseSession) -> None:
    """Write universe/latest.json, unless it is of a later session."""
    stored = _read_latest(layout.root)
    if stored is not None and stored.session > gathered.session:
        return
    latest = LatestUniverse(
        session=gathered.session,
        shards=layout.shards,
        published=gathered.published,
        withheld=gathered.withheld,
        missing=gathered.missing,
        moved=_list_moved(layout, stored),
        manifest_sha256=sha256(to_json(gathered)),
    )
    _replace_changed(layout.root, LATEST, to_json(latest))


def _read_latest(root: ObjectStore) -> LatestUniverse | None:
    data = root.read(LATEST)
    try:
        return None if data is None else parse_latest_universe(data)
    except StoreError:  # damaged: a view is written again
        return None


def _list_moved(layout: Layout, stored: LatestUniverse | None) -> dict[str, int]:
    """Return ticker -> shard of all that ever moved: who leaves the file leaves its record."""
    earlier = _read_moved(layout) if stored is None else stored.moved
    members = {ticker for part in layout.parts.values() for ticker in part.tickers}
    left = {ticker: number for ticker, number in earlier.items() if ticker not in members}
    return dict(sorted((left | layout.moved).items()))


def _read_moved(layout: Layout) -> dict[str, int]:
    """Return ticker -> shard of all that moved, as the shards themselves say."""
    stores = [ShardStore(layout.root, number) for number in range(layout.shards)]
    with ThreadPoolExecutor(READERS) as pool:
        named = list(pool.map(_read_moved_into, stores))
    pairs = zip(stores, named, strict=True)
    return {ticker: store.number for store, tickers in pairs for ticker in tickers}


def _read_moved_into(store: ShardStore) -> Sequence[str]:
    try:
        terms = read_shard_terms(store)
    except StoreError:  # `verify` says what is wrong with it
        return ()
    return terms.moved if terms is not None else ()


def _replace_changed(root: ObjectStore, key: str, data: bytes) -> None:
    if root.read(key) != data:
        root.replace(key, data)


def _count(reasons: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(reasons).items()))


def _add(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    return dict(sorted(sum((Counter(each) for each in counts), Counter[str]()).items()))
