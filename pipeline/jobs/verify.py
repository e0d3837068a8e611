"""Verify: the chain walked from its newest manifest to its first, every object's bytes checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from pipeline.encoding import sha256
from pipeline.errors import ConfigError, ForecasterError
from pipeline.jobs.chain_check import ChainCheck, Finding, Problem
from pipeline.jobs.replay import replay_part
from pipeline.jobs.strangers import set_strangers_apart
from pipeline.ports import Calendar, ObjectStore, Tables
from pipeline.record.chain import Link, find_head
from pipeline.record.claims import claim_of
from pipeline.record.grammar import kind_of
from pipeline.record.keys import DASHBOARD, LATEST, PLANS, RUNS, TRACK_RECORD, claim_key
from pipeline.record.manifest import Mode, RunManifest
from pipeline.views.refresh import build_views

READERS = 16
AT_ONCE = 64  # manifests whose objects are read side by side
VIEWS = (LATEST, TRACK_RECORD, DASHBOARD)

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Verified:
    """What was looked at, and what was found.

    `left_behind` are objects that no manifest names, of runs that died: nobody claims them;
    `strangers` are names that no object of the record has.
    """

    manifests: int
    objects: int
    head: Link | None
    findings: tuple[Finding, ...]
    left_behind: tuple[str, ...]
    strangers: tuple[str, ...] = ()


def verify(
    store: ObjectStore,
    tables: Tables,
    calendar: Calendar,
    noted: str | None = None,
    progress: Progress = lambda done, total: None,
) -> Verified:
    """Check every object on the record, and that the record is one unbroken chain.

    The newest manifest, which none after it names, is made again from what it was made from.

    Parameters
    ----------
    noted : sha256 of a manifest, noted when it was issued; it must be in the chain
    progress : called with (manifests checked, manifests in all)
    """
    keys, strangers = set_strangers_apart(store.keys(""))
    manifests = sorted((key for key in keys if key.startswith(RUNS)), reverse=True)
    chain, checked = ChainCheck(), set[tuple[str, str]]()
    with ThreadPoolExecutor(READERS) as pool:
        for start in range(0, len(manifests), AT_ONCE):
            some = manifests[start : start + AT_ONCE]
            for key, data in zip(some, pool.map(store.read, some), strict=True):
                chain.take(key, data)
            objects = {pair for run in chain.fresh() for pair in run.objects.items()} - checked
            chain.findings += filter(None, pool.map(partial(_check_object, store), sorted(objects)))
            checked |= objects
            progress(start + len(some), len(manifests))
    chain.finish()
    claims = {claim_key(run.previous) for run in chain.runs}.intersection(keys)
    findings = [*chain.findings, *_find_back_dated(chain.runs, calendar)]
    findings += _check_claims(store, chain.runs[::-1])
    findings += _check_newest(store, tables, calendar, chain.links)
    findings += _check_views(store, tables) if not findings else []
    if noted is not None and noted not in {link.digest for link in chain.links}:
        findings.append(Finding(Problem.MISSING, noted, "no manifest of the chain has this sha256"))
    named = {key for key, _ in checked} | set(manifests) | set(VIEWS) | claims
    left_behind = tuple(key for key in keys if key not in named and not key.startswith(PLANS))
    head = chain.links[0] if chain.links else None
    return Verified(
        len(chain.links),
        len(checked) + len(claims),
        head,
        tuple(findings),
        left_behind,
        strangers,
    )


def _check_object(store: ObjectStore, named: tuple[str, str]) -> Finding | None:
    key, expected = named
    data = None if kind_of(key) is None else store.read(key)
    if data is None:
        return Finding(Problem.MISSING, key, f"expected sha256 {expected}")
    if sha256(data) != expected:
        return Finding(Problem.CHANGED, key, f"expected sha256 {expected}, got {sha256(data)}")
    return None


def _check_claims(store: ObjectStore, runs: Sequence[RunManifest]) -> Iterator[Finding]:
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


def _find_back_dated(runs: Sequence[RunManifest], calendar: Calendar) -> Iterator[Finding]:
    """Yield the live manifests that were not issued while their session was the newest."""
    for run in runs:
        if run.mode is Mode.LIVE and not _is_in_time(run, calendar):
            message = f"expected an issue before the next close, got {run.issued_at.isoformat()}"
            yield Finding(Problem.BACK_DATED, run.key, message)


def _is_in_time(run: RunManifest, calendar: Calendar) -> bool:
    try:
        return calendar.last_closed(run.issued_at) == run.session
    except ConfigError:  # no time of this calendar, or none with a time zone
        return False


def _check_views(store: ObjectStore, tables: Tables) -> Iterator[Finding]:
    views = build_views(store, tables, find_head(store))
    for key, view in (views.objects if views else {}).items():
        stored = store.read(key)
        if stored is None:
            yield Finding(Problem.MISSING, key, "the next run makes it again")
        elif stored != view:
            yield Finding(Problem.CHANGED, key, "not what the record says; the next run mends it")


def _check_newest(
    store: ObjectStore, tables: Tables, calendar: Calendar, links: Sequence[Link]
) -> Iterator[Finding]:
    for link in links[:1]:
        key = link.manifest.key
        try:
            replayed = replay_part(store, tables, calendar, link)
        except ForecasterError as exc:
            message = f"it cannot be made again, and no other manifest names it: {exc}"
            yield Finding(Problem.UNCONFIRMED, key, message)
            continue
        if not replayed[-1].equal:
            message = "made again from its vintage, bundle and state it comes out otherwise"
            yield Finding(Problem.CHANGED, key, message)
