"""Verify a universe: each shard alone, by what the manifests of manifests have noted of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from pipeline.encoding import from_json
from pipeline.errors import StoreError
from pipeline.jobs.chain_check import Finding, Problem
from pipeline.jobs.noted import NotedDigest
from pipeline.jobs.universe.shards import list_begun
from pipeline.jobs.verify import Scope, Verified, verify
from pipeline.ports import Calendar, ObjectStore, Tables
from pipeline.record.universe_session import UniverseSession, list_session_keys
from pipeline.record.universe_terms import UniverseTerms

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class VerifiedUniverse:
    """What each shard came to, by its number, and what is wrong with the universe's own objects."""

    shards: dict[int, Verified]
    findings: tuple[Finding, ...]
    sessions: int

    @property
    def amiss(self) -> int:
        """How many objects are not as they should be."""
        return len(self.findings) + sum(len(each.findings) for each in self.shards.values())


def verify_universe(
    root: ObjectStore,
    terms: UniverseTerms,
    tables: Tables,
    calendar: Calendar,
    scope: Scope,
    progress: Progress = lambda done, total: None,
) -> VerifiedUniverse:
    """Check every shard as a store of its own; what was gathered of it must be in its chain.

    `progress` is called with (shards checked, in all).
    """
    noted, findings, sessions = _read_noted(root)
    stores, verified = list_begun(root, terms), dict[int, Verified]()
    absent = sorted(noted.keys() - stores.keys())
    findings += [
        Finding(Problem.MISSING, f"shard={n:04d}", "a session was gathered of it") for n in absent
    ]
    for number, store in stores.items():
        of_shard = replace(scope, noted=(*scope.noted, *noted.get(number, ())))
        verified[number] = verify(store, tables, calendar, of_shard)
        progress(len(verified), len(stores))
    return VerifiedUniverse(verified, tuple(findings), sessions)


def _read_noted(root: ObjectStore) -> tuple[dict[int, list[NotedDigest]], list[Finding], int]:
    """Return what was gathered of each shard, what could not be read, and of how many sessions."""
    noted: dict[int, list[NotedDigest]] = {}
    findings: list[Finding] = []
    keys = list_session_keys(root)
    for key in keys:
        try:
            data = root.read(key) or b""
            session = from_json(data, UniverseSession, key, "a session of a universe")
        except StoreError as exc:
            findings.append(Finding(Problem.CHANGED, key, str(exc)))
            continue
        for number, shard in session.gathered.items():
            digests = [NotedDigest(digest, of) for of, digest in shard.manifests.items()]
            noted.setdefault(int(number), []).extend(digests)
    return noted, findings, len(keys)
