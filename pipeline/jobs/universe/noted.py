"""Noted of shards: what the manifests of manifests say, which each shard's chain must have."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from pipeline.encoding import from_json, to_json
from pipeline.errors import StoreError
from pipeline.jobs.chain_check import Finding, Problem
from pipeline.jobs.noted import NotedDigest
from pipeline.jobs.universe.shards import list_shard_stores
from pipeline.ports import ObjectStore
from pipeline.record.grammar import list_keys
from pipeline.record.keys import RUNS
from pipeline.record.universe_session import (
    TO_VERIFY,
    ListedShard,
    UniverseSession,
    list_session_keys,
)

READERS = 16  # sessions that are read side by side


@dataclass(frozen=True, slots=True)
class Noted:
    """Digests by the shard's number, `findings` of what cannot be read, of how many sessions."""

    digests: dict[int, list[NotedDigest]]
    findings: tuple[Finding, ...]
    sessions: int


def read_noted(root: ObjectStore) -> Noted:
    """Return what was gathered of each shard, session by session."""
    keys = list_session_keys(root)
    with ThreadPoolExecutor(READERS) as pool:
        answers = list(pool.map(partial(_read_session, root), keys))
    digests: dict[int, list[NotedDigest]] = {}
    for session in answers:
        if isinstance(session, UniverseSession):
            for number, shard in session.gathered.items():
                noted = [NotedDigest(digest, key) for key, digest in shard.manifests.items()]
                digests.setdefault(int(number), []).extend(noted)
    findings = tuple(each for each in answers if isinstance(each, Finding))
    return Noted(digests, findings, len(keys))


def list_to_verify(root: ObjectStore, time: str) -> list[ListedShard]:
    """Return the shards that have a record, or had one, and store them for whoever verifies each.

    Whatever the universe's file says now: a shard whose tickers have all left it keeps its record,
    and one that has not run yet has none.
    """
    on_record = {
        number for number, store in list_shard_stores(root).items() if list_keys(store, RUNS)
    }
    numbers = sorted(on_record | read_noted(root).digests.keys())
    listed = [ListedShard(number, time) for number in numbers]
    root.replace(TO_VERIFY, to_json(listed))
    return listed


def _read_session(root: ObjectStore, key: str) -> UniverseSession | Finding:
    try:
        return from_json(root.read(key) or b"", UniverseSession, key, "a session of a universe")
    except StoreError as exc:
        return Finding(Problem.CHANGED, key, str(exc))
