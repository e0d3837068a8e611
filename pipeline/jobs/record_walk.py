"""Record walk: every manifest of a store, newest first, and the objects that each names."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from pipeline.jobs.chain_check import ChainCheck, Finding
from pipeline.jobs.object_check import Named, check_object
from pipeline.jobs.signature_check import SignatureCheck
from pipeline.ports import ObjectStore
from pipeline.record.chain import Link
from pipeline.record.keys import (
    COMPACT,
    LOSSES,
    PLANS,
    RUNS,
    SHARD,
    STORE,
    VIEWS,
    claim_key,
    signature_key,
)
from pipeline.record.manifest import RunManifest

READERS = 16
AT_ONCE = 64  # manifests whose objects are read side by side
# Every manifest is looked at, the others bind nobody.
NEVER_LEFT = (RUNS, PLANS, LOSSES, COMPACT)


@dataclass(frozen=True, slots=True)
class Walked:
    """The chain's links, oldest first, the (key, sha256) of all objects that they name.

    `damaged` is what is wrong with the chain and these, `unsigned` with the signatures.
    """

    links: Sequence[Link]
    objects: set[tuple[str, str]]
    damaged: list[Finding]
    unsigned: list[Finding]

    @property
    def head(self) -> Link | None:
        return self.links[-1] if self.links else None

    @property
    def runs(self) -> list[RunManifest]:
        return [link.manifest for link in self.links]

    def list_beside(self, *, signed: bool) -> set[str]:
        """Return the keys of the claims and signatures that belong to the manifests."""
        claims = {claim_key(run.previous) for run in self.runs}
        return claims | ({signature_key(link.digest) for link in self.links} if signed else set())

    def left_behind(self, keys: Sequence[str], beside: Collection[str]) -> tuple[str, ...]:
        """Return the keys that no manifest names, and that do not lie beside the record."""
        named = {key for key, _ in self.objects} | {*beside, *VIEWS, STORE, SHARD}
        return tuple(k for k in keys if k not in named and not k.startswith(NEVER_LEFT))


def walk_record(
    store: ObjectStore,
    keys: Sequence[str],
    signatures: SignatureCheck | None,
    progress: Callable[[int, int], None],
) -> Walked:
    """Look at every manifest, newest first, its signature and the objects that it names."""
    manifests = sorted((key for key in keys if key.startswith(RUNS)), reverse=True)
    chain, checked, unsigned = ChainCheck(), set[tuple[str, str]](), list[Finding]()
    with ThreadPoolExecutor(READERS) as pool:
        for start in range(0, len(manifests), AT_ONCE):
            some = manifests[start : start + AT_ONCE]
            contents = list(pool.map(store.read, some))
            for key, data in zip(some, contents, strict=True):
                chain.take(key, data)
            if signatures is not None:
                unsigned += filter(None, pool.map(signatures.check, some, contents))
            objects = {pair: run.key for run in chain.fresh() for pair in run.objects.items()}
            named = [Named(*pair, objects[pair]) for pair in sorted(objects.keys() - checked)]
            chain.findings += filter(None, pool.map(partial(check_object, store), named))
            checked |= objects.keys()
            progress(start + len(some), len(manifests))
    chain.finish()
    return Walked(chain.links[::-1], checked, chain.findings, unsigned)
