"""Verify: the chain walked from its newest manifest to its first, every object's bytes checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from pipeline.encoding import sha256
from pipeline.errors import ConfigError
from pipeline.jobs.chain_check import ChainCheck, Finding, Problem
from pipeline.jobs.claims_check import check_claims
from pipeline.jobs.noted import NotedDigest, check_noted
from pipeline.jobs.remake_check import RemakeCheck, Sample
from pipeline.jobs.signature_check import SignatureCheck, compare_public_keys
from pipeline.jobs.strangers import set_strangers_apart
from pipeline.jobs.terms_check import find_changed_terms, refuse_other_version
from pipeline.jobs.time_check import check_times, find_back_dated
from pipeline.jobs.views_check import check_views
from pipeline.ports import Calendar, CheckSignature, ObjectStore, Tables
from pipeline.record.chain import Link
from pipeline.record.grammar import kind_of
from pipeline.record.keys import (
    LOSSES,
    PLANS,
    RUNS,
    STORE,
    VIEWS,
    claim_key,
    signature_key,
)
from pipeline.record.repairs import read_loss

READERS = 16
AT_ONCE = 64  # manifests whose objects are read side by side
UNREADABLE = (Problem.MISSING, Problem.CHANGED, Problem.LOST)


class Phase(StrEnum):
    """What is being done, one after the other."""

    READ = "Manifests"
    REMADE = "Made again"


Progress = Callable[[Phase, int, int], None]


@dataclass(frozen=True, slots=True)
class Verified:
    """What was looked at, and what was found.

    `left_behind` are objects that no manifest names, of runs that died: nobody claims them;
    `strangers` are names that no object of the record has. `lost` objects were given up.
    `remade` sessions were made again; `unmade` parts could not be, for objects of others that are
    among the findings. Signatures are those of `public_key`, None where there are none. `hints` are
    what would be findings if the store's times could be trusted.
    """

    manifests: int
    objects: int
    head: Link | None
    findings: tuple[Finding, ...]
    left_behind: tuple[str, ...]
    strangers: tuple[str, ...] = ()
    lost: tuple[Finding, ...] = ()
    hints: tuple[Finding, ...] = ()
    remade: int = 0
    unmade: int = 0
    public_key: str | None = None


def _refuse_signatures(public_key: str, signature: bytes, data: bytes) -> bool:
    raise ConfigError("expected what checks signatures, for this store has some")


@dataclass(frozen=True, slots=True)
class Scope:
    """What is looked at beside every digest.

    `sample` has the sessions that are made again; `noted` digests must be in the chain;
    `public_key`, if the user has kept it, must be the store's, and `is_signed` checks by it.
    """

    sample: Sample = Sample()
    noted: tuple[NotedDigest, ...] = ()
    public_key: str | None = None
    is_signed: CheckSignature = _refuse_signatures


def verify(
    store: ObjectStore,
    tables: Tables,
    calendar: Calendar,
    scope: Scope = Scope(),
    progress: Progress = lambda phase, done, total: None,
) -> Verified:
    """Check every object on the record, and that the record is one unbroken chain.

    Sessions of the sample are made again from what they were made from.

    Parameters
    ----------
    progress : called with (phase, done, in all): manifests checked, then parts made again
    """
    refuse_other_version(store)
    keys, strangers = set_strangers_apart(store.keys(""))
    public_key, of_public_key = compare_public_keys(store, scope.public_key)
    signatures = SignatureCheck(store, public_key, scope.is_signed) if public_key else None
    chain, checked, unsigned = _walk(store, keys, signatures, partial(progress, Phase.READ))
    runs, links = chain.runs[::-1], chain.links[::-1]
    beside = {claim_key(run.previous) for run in runs}
    beside |= {signature_key(link.digest) for link in links} if signatures else set()
    beside &= set(keys)
    lost = tuple(finding for finding in chain.findings if finding.problem is Problem.LOST)
    times = check_times(store, calendar, runs)
    findings = [
        *(finding for finding in chain.findings if finding not in lost),
        *find_back_dated(runs[::-1], calendar),
        *times.findings,
        *find_changed_terms(store, calendar, runs),
        *check_claims(store, runs),
    ]
    head = links[-1] if links else None
    unreadable = (finding for finding in (*findings, *lost) if finding.problem in UNREADABLE)
    faulty = frozenset(finding.key for finding in unreadable)
    remade = RemakeCheck(store, tables, calendar, head, faulty).run(
        links, scope.sample, partial(progress, Phase.REMADE)
    )
    findings += remade.findings
    findings += check_views(store, tables) if not findings else []
    findings += (*of_public_key, *unsigned, *check_noted(scope.noted, links))
    named = {key for key, _ in checked} | beside | {*VIEWS, STORE}
    named |= {key for key in keys if key.startswith((RUNS, PLANS, LOSSES))}
    return Verified(
        manifests=len(links),
        objects=len(checked) + len(beside) + (STORE in keys),
        head=head,
        findings=tuple(findings),
        left_behind=tuple(key for key in keys if key not in named),
        strangers=strangers,
        lost=lost,
        hints=times.hints,
        remade=remade.sessions,
        unmade=remade.unmade,
        public_key=public_key,
    )


def _walk(
    store: ObjectStore,
    keys: Sequence[str],
    signatures: SignatureCheck | None,
    progress: Callable[[int, int], None],
) -> tuple[ChainCheck, set[tuple[str, str]], list[Finding]]:
    """Return the chain, newest first, the (key, sha256) of all it names, and what is unsigned."""
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
            objects = {pair for run in chain.fresh() for pair in run.objects.items()} - checked
            chain.findings += filter(None, pool.map(partial(_check_object, store), sorted(objects)))
            checked |= objects
            progress(start + len(some), len(manifests))
    chain.finish()
    return chain, checked, unsigned


def _check_object(store: ObjectStore, named: tuple[str, str]) -> Finding | None:
    key, expected = named
    if kind_of(key) is None:
        return Finding(Problem.MISSING, key, f"expected sha256 {expected}")
    data = store.read(key)
    if data is not None and sha256(data) == expected:
        return None
    if (loss := read_loss(store, expected)) is not None and loss.key == key:
        return Finding(Problem.LOST, key, f"given up by a person on {loss.accepted_at}")
    if data is None:
        return Finding(Problem.MISSING, key, f"expected sha256 {expected}")
    return Finding(Problem.CHANGED, key, f"expected sha256 {expected}, got {sha256(data)}")
