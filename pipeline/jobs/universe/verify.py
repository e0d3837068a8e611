"""Verify a universe: each shard alone, by what the manifests of manifests have noted of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from pipeline.jobs.chain_check import Finding, Problem
from pipeline.jobs.universe.noted import read_noted
from pipeline.jobs.universe.shards import list_shard_stores
from pipeline.jobs.verify import Scope, Verified, verify
from pipeline.ports import Calendar, ObjectStore, Tables
from pipeline.record.keys import STORE
from pipeline.record.sharding import ShardStore, name_shard

ROOT = "."
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class VerifiedUniverse:
    """What each shard came to, by the name of its folder.

    `findings` are what is wrong with the universe's own objects, `sessions` how many were gathered;
    `unchecked` are folders of shards for which no time was left. A record that lies at the root
    beside the shards has the name ROOT.
    """

    shards: dict[str, Verified]
    findings: tuple[Finding, ...]
    sessions: int
    unchecked: tuple[str, ...] = ()

    @property
    def pooled(self) -> Verified:
        """All of it as one, each key with its shard's folder in front."""
        verified = self.shards.values()
        return Verified(
            manifests=sum(each.manifests for each in verified),
            objects=sum(each.objects for each in verified),
            head=None,
            findings=(*self._pool(lambda each: each.findings), *self.findings),
            left_behind=self._join(lambda each: each.left_behind),
            strangers=self._join(lambda each: each.strangers),
            lost=self._pool(lambda each: each.lost),
            hints=self._pool(lambda each: each.hints),
            remade=sum(each.remade for each in verified),
            unmade=sum(each.unmade for each in verified),
            public_key=next((each.public_key for each in verified), None),
        )

    def _pool(
        self, list_findings: Callable[[Verified], tuple[Finding, ...]]
    ) -> tuple[Finding, ...]:
        pairs = ((of, each) for of, shard in self.shards.items() for each in list_findings(shard))
        return tuple(replace(each, key=f"{of}/{each.key}") for of, each in pairs)

    def _join(self, list_names: Callable[[Verified], tuple[str, ...]]) -> tuple[str, ...]:
        names = ((of, name) for of, each in self.shards.items() for name in list_names(each))
        return tuple(f"{of}/{name}" for of, name in names)


def verify_universe(
    root: ObjectStore,
    tables: Tables,
    calendar: Calendar,
    scope: Scope,
    progress: Progress = lambda done, total: None,
    has_time: Callable[[], bool] = lambda: True,
) -> VerifiedUniverse:
    """Check every shard as a store of its own; what was gathered of it must be in its chain.

    `progress` is called with (shards checked, in all); `has_time` says before each one whether
    there is any left.
    """
    noted, shards, verified = read_noted(root), list_shard_stores(root), dict[str, Verified]()
    missing = [
        Finding(Problem.MISSING, name_shard(number), "a session was gathered of it")
        for number in sorted(noted.digests.keys() - shards.keys())
    ]
    stores: dict[str, ObjectStore] = {ROOT: root} if root.read(STORE) is not None else {}
    stores |= {name_shard(number): store for number, store in shards.items()}
    of_shards = {name_shard(number): digests for number, digests in noted.digests.items()}
    for name, store in stores.items():
        if not has_time():
            break
        of_shard = replace(scope, noted=(*scope.noted, *of_shards.get(name, ())))
        verified[name] = verify(store, tables, calendar, of_shard)
        progress(len(verified), len(stores))
    unchecked = tuple(name for name in stores if name not in verified)
    return VerifiedUniverse(verified, (*noted.findings, *missing), noted.sessions, unchecked)


def verify_shard(
    root: ObjectStore, number: int, tables: Tables, calendar: Calendar, scope: Scope
) -> Verified:
    """Check a shard as `verify_universe` does; sessions that cannot be read are findings too."""
    noted = read_noted(root)
    of_shard = replace(scope, noted=(*scope.noted, *noted.digests.get(number, ())))
    verified = verify(ShardStore(root, number), tables, calendar, of_shard)
    return replace(verified, findings=(*verified.findings, *noted.findings))
