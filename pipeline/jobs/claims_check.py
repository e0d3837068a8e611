"""Claims check: whether each part began with the claim that its manifest tells of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from pipeline.jobs.chain_check import Finding, Problem
from pipeline.ports import ObjectStore
from pipeline.record.claims import claim_of
from pipeline.record.grammar import kind_of
from pipeline.record.manifest import RunManifest

READERS = 16


def check_claims(store: ObjectStore, runs: Sequence[RunManifest]) -> Iterator[Finding]:
    """Yield the claims, of manifests in order, that are not those which the manifests began with.

    A record may have begun before there were claims; since its first one, every manifest has one.
    """
    claims = (claim_of(run) for run in runs)
    # A digest that was changed may be no key; the chain breaks there, which is named.
    expected = {claim.key: claim.encode() for claim in claims if kind_of(claim.key)}
    begun = False
    with ThreadPoolExecutor(READERS) as pool:
        for key, data in zip(expected, pool.map(store.read, expected), strict=True):
            if data is None and begun:
                yield Finding(
                    Problem.MISSING, key, "the claims before it and their manifests are there"
                )
            elif data is not None and data != expected[key]:
                yield Finding(Problem.CHANGED, key, "not the claim that its manifest began with")
            begun = begun or data is not None
