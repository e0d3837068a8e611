"""Heal: a damaged object of the record remade to the bytes that were named, or done without.

All but a vintage and a bundle follows from what lies in the store: a table, a state and scores
from their part's vintage, bundle and the record before; a manifest from its claim.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

import msgspec

from pipeline.encoding import sha256
from pipeline.errors import DamagedObject, StoreError
from pipeline.jobs.daily_job import DailyJob
from pipeline.jobs.remake import remake_part
from pipeline.ports import Calendar, ObjectStore, Tables
from pipeline.record.chain import Link, read_link, read_previous_link
from pipeline.record.claims import read_claim
from pipeline.record.grammar import list_keys
from pipeline.record.keys import RUNS
from pipeline.record.part import Write
from pipeline.record.repairs import read_loss

# What a part writes that follows from its vintage and bundle: .../2026-11-20.00.parquet or .json.
REMADE = re.compile(
    r"(?:forecasts|baselines|scores|calibration)/(?:.*/)?(\d{4}-\d\d-\d\d\.\d+)\.\w+"
)


def repair_or_do_without(job: DailyJob, damaged: DamagedObject) -> DailyJob:
    """Return the job with what becomes of one more damaged object.

    Raises
    ------
    StoreError
        When it cannot be remade and nobody has accepted its loss.
    """
    repairs = job.repairs
    if damaged.key in repairs:
        raise damaged
    try:
        healed = heal(job.store, job.tables, job.calendar, damaged)
        return replace(job, repairs=repairs.heal(healed))
    except DamagedObject as cause:
        named = damaged.sha256
        if named is not None and read_loss(job.store, named) is not None:
            return replace(job, repairs=repairs.lose({damaged.key: named}))
        because = "" if cause.key == damaged.key else f"; it cannot be remade: {cause}"
        raise StoreError(
            f"{damaged}{because}. Put the object back from a copy or from the bucket's versions; "
            "where that cannot be: forecaster repair --accept-loss"
        ) from cause


def heal(
    store: ObjectStore, tables: Tables, calendar: Calendar, damaged: DamagedObject
) -> dict[str, str]:
    """Remake a damaged object, and those it is made from, into the store: key -> sha256 of each.

    Raises
    ------
    DamagedObject
        When it, or what it is made from, cannot be remade to the bytes that were named.
    """
    return _Healer(store, tables, calendar).heal(damaged)


class _Healer:
    """Heals an object after those it is made from; `_at_work` are the ones being healed.

    It may do without what is lost: the digest tells whether the bytes are right all the same.
    """

    def __init__(self, store: ObjectStore, tables: Tables, calendar: Calendar) -> None:
        self._store, self._tables, self._calendar = store, tables, calendar
        self._at_work: list[str] = []
        self._lost: dict[str, str] = {}

    def heal(self, damaged: DamagedObject) -> dict[str, str]:
        if damaged.key in self._at_work:
            raise damaged
        self._at_work.append(damaged.key)
        healed: dict[str, str] = {}
        try:
            while (remade := self._try(damaged, healed)) is None:
                pass
        finally:
            self._at_work.pop()
        for key, data in remade.items():
            _put_back(self._store, key, data)
        return healed | {key: sha256(data) for key, data in remade.items()}

    def _try(self, damaged: DamagedObject, healed: dict[str, str]) -> dict[str, bytes] | None:
        """Return what heals the object, or None after healing something that it is made from."""
        try:
            return dict(self._remake(damaged))
        except DamagedObject as cause:
            healed |= self._heal_or_lose(cause)
            return None

    def _heal_or_lose(self, damaged: DamagedObject) -> dict[str, str]:
        if damaged.key in self._lost:
            raise damaged
        try:
            return self.heal(damaged)
        except DamagedObject:
            if damaged.sha256 is None or read_loss(self._store, damaged.sha256) is None:
                raise
            self._lost[damaged.key] = damaged.sha256
            return {}

    def _remake(self, damaged: DamagedObject) -> Iterator[tuple[str, bytes]]:
        """Yield key and bytes of what heals the object."""
        if damaged.key.startswith(RUNS):
            yield from self._remake_manifests(damaged)
            return
        part = REMADE.fullmatch(damaged.key)
        if part is None:
            raise damaged
        link = read_link(self._store, f"{RUNS}{part[1]}.json")
        data = self._remake_part(link).get(damaged.key, b"")
        if sha256(data) != link.manifest.objects.get(damaged.key):
            raise damaged
        yield damaged.key, data

    def _remake_part(self, link: Link) -> Mapping[str, bytes]:
        remade: dict[str, bytes] = {}
        before = read_previous_link(self._store, link)
        named = msgspec.structs.replace(link.manifest, lost={**link.manifest.lost, **self._lost})
        remake_part(self._store, self._tables, self._calendar, named, before, _collect(remade))
        return remade

    def _remake_manifests(self, damaged: DamagedObject) -> Iterator[tuple[str, bytes]]:
        """Yield the manifests from the newest whole one before up to the damaged one."""
        older = [key for key in list_keys(self._store, RUNS) if key < damaged.key]
        link = read_link(self._store, older[-1]) if older else None
        while link is None or link.manifest.key < damaged.key:
            claim = read_claim(self._store, link)
            if claim is None:
                raise damaged
            remade: dict[str, bytes] = {}
            link = remake_part(
                self._store, self._tables, self._calendar, claim, link, _collect(remade)
            )
            yield link.manifest.key, remade[link.manifest.key]
        if damaged.sha256 not in (None, link.digest):
            raise damaged


def _collect(remade: dict[str, bytes]) -> Write:
    """Return a writer that keeps what is written and stores nothing."""

    def write(key: str, data: bytes) -> bytes:
        remade[key] = data
        return data

    return write


def _put_back(store: ObjectStore, key: str, data: bytes) -> None:
    """Store the bytes that were named where they are not: never others."""
    if not store.create(key, data) and store.read(key) != data:
        store.replace(key, data)
