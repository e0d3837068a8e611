"""Verify: the chain walked from its newest manifest to its first, every object's bytes checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from pipeline.errors import ConfigError
from pipeline.jobs.chain_check import Finding, Problem
from pipeline.jobs.claims_check import check_claims, check_open_claim
from pipeline.jobs.compacted_check import check_compacted
from pipeline.jobs.noted import NotedDigest, check_noted
from pipeline.jobs.readable import ReadableObjects
from pipeline.jobs.record_walk import Walked, walk_record
from pipeline.jobs.remake_check import RemakeCheck, Sample
from pipeline.jobs.shard_check import check_shard
from pipeline.jobs.signature_check import SignatureCheck, compare_public_keys
from pipeline.jobs.strangers import set_strangers_apart
from pipeline.jobs.terms_check import find_changed_terms, refuse_other_version
from pipeline.jobs.time_check import check_times, find_back_dated
from pipeline.jobs.views_check import check_views
from pipeline.ports import Calendar, CheckSignature, ObjectStore, Tables
from pipeline.record.chain import Link
from pipeline.record.keys import SHARD, STORE

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
    """Check every object on the record, that it is one chain, and make the sample's sessions again.

    `progress` is called with (phase, done, in all): manifests checked, then parts made again.
    """
    readable = ReadableObjects(store)
    refuse_other_version(readable)
    keys, strangers = set_strangers_apart(readable.keys(""))
    public_key, of_public_key = compare_public_keys(readable, scope.public_key)
    signatures = SignatureCheck(readable, public_key, scope.is_signed) if public_key else None
    walked = walk_record(readable, keys, signatures, partial(progress, Phase.READ))
    times = check_times(readable, calendar, walked.runs)
    found = [*_check_documents(readable, calendar, walked), *times.findings]
    faulty = frozenset(f.key for f in found if f.problem in UNREADABLE)
    remade = RemakeCheck(readable, tables, calendar, walked.head, faulty).run(
        walked.links, scope.sample, partial(progress, Phase.REMADE)
    )
    findings = [*(f for f in found if f.problem is not Problem.LOST), *remade.findings]
    findings += [] if findings else check_views(readable, tables)
    findings += check_compacted(readable, tables, keys, walked.objects)
    findings += (*of_public_key, *walked.unsigned, *check_noted(scope.noted, walked.links))
    beside = walked.list_beside(signed=signatures is not None) & set(keys)
    return Verified(
        manifests=len(walked.links),
        objects=len(walked.objects) + len(beside) + len({STORE, SHARD} & {*keys}),
        head=walked.head,
        findings=tuple(readable.explain(findings)),
        left_behind=walked.left_behind(keys, beside),
        strangers=strangers,
        lost=tuple(f for f in found if f.problem is Problem.LOST),
        hints=times.hints,
        remade=remade.sessions,
        unmade=remade.unmade,
        public_key=public_key,
    )


def _check_documents(store: ObjectStore, calendar: Calendar, walked: Walked) -> Iterator[Finding]:
    """Yield what is wrong with the objects that are named, and with all that speaks of them."""
    yield from walked.damaged
    yield from find_back_dated(walked.runs[::-1], calendar)
    yield from find_changed_terms(store, calendar, walked.runs)
    yield from check_shard(store, walked.runs)
    yield from check_claims(store, walked.runs)
    yield from check_open_claim(store, walked.head, walked.objects)
