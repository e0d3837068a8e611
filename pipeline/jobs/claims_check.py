"""Claims check: whether each part began with the claim that its manifest tells of."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec

from pipeline.errors import StoreError
from pipeline.jobs.chain_check import Finding, Problem
from pipeline.jobs.object_check import Named, check_object
from pipeline.ports import ObjectStore
from pipeline.record.chain import Link
from pipeline.record.claims import Claim, claim_of, decode_claim, read_claim
from pipeline.record.grammar import kind_of
from pipeline.record.keys import claim_key
from pipeline.record.manifest import RunManifest

READERS = 16


def check_claims(store: ObjectStore, runs: Sequence[RunManifest]) -> Iterator[Finding]:
    """Yield the claims, of manifests in order, that are not those which the manifests began with.

    A record may have begun before there were claims; since its first one, every manifest has one.
    """
    claims = (claim_of(run) for run in runs)
    # A digest that was changed may be no key; the chain breaks there, which is named.
    expected = {claim.key: claim for claim in claims if kind_of(claim.key)}
    begun = False
    with ThreadPoolExecutor(READERS) as pool:
        for key, data in zip(expected, pool.map(store.read, expected), strict=True):
            if data is None and begun:
                yield Finding(
                    Problem.MISSING, key, "the claims before it and their manifests are there"
                )
            elif data is not None and not _began_with(expected[key], data):
                yield Finding(Problem.CHANGED, key, "not the claim that its manifest began with")
            begun = begun or data is not None


def check_open_claim(
    store: ObjectStore, head: Link | None, checked: Collection[tuple[str, str]]
) -> Iterator[Finding]:
    """Yield what is wrong with what a part that no run has finished was to be made from."""
    try:
        claim = read_claim(store, head)
    except StoreError as exc:
        yield Finding(Problem.CHANGED, claim_key(head.digest if head else None), str(exc))
        return
    if claim is None:
        return
    pairs = sorted(claim.objects.items() - set(checked))
    findings = (check_object(store, Named(*pair, claim.key)) for pair in pairs)
    yield from (finding for finding in findings if finding is not None)


def _began_with(claim: Claim, data: bytes) -> bool:
    """Whether a stored claim is that of a part, which may have lost more since."""
    try:
        lost = decode_claim(data, claim.key).lost
    except StoreError:
        return False
    began_with = msgspec.structs.replace(claim, lost=lost)
    return began_with.encode() == data and lost.items() <= claim.lost.items()
