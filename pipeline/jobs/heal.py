"""Heal: a damaged object of the record remade to the bytes that were named, or done without.

All but a vintage and a bundle follows from what lies in the store: a table, a state and scores
from their part's vintage, bundle and the record before; a manifest from its claim. What does not
follow can come from a copy. A store that does not take the bytes has them in memory, for the run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date

import msgspec

from pipeline.encoding import sha256
from pipeline.errors import DamagedObject, StoreError
from pipeline.jobs.collect import IsPast, collect, collect_past, lies_past
from pipeline.jobs.remake import at_named_keys, remake_part
from pipeline.ports import Calendar, ObjectStore, Tables
from pipeline.record.chain import Link, read_link, read_previous_link
from pipeline.record.claims import read_claim
from pipeline.record.grammar import list_keys
from pipeline.record.keys import RUNS, session_prefix
from pipeline.record.overlay import Overlaid
from pipeline.record.repairs import read_loss

# What a part writes that follows from its vintage and bundle: .../2026-11-20.00.parquet or .json.
REMADE = re.compile(
    r"(?:forecasts|baselines|scenarios|templates|scores|scenario_scores|calibration)/"
    r"(?:.*/)?(\d{4}-\d\d-\d\d)\.\d+\.\w+"
)
# The sha256 of bytes -> these, where there is a copy of them.
FindCopy = Callable[[str], bytes | None]


@dataclass(frozen=True, slots=True)
class Healed:
    """What was remade, key -> sha256; `refused` maps what the store did not take back to why.

    Of that, `unwritten` has the bytes.
    """

    objects: Mapping[str, str]
    unwritten: Mapping[str, bytes]
    refused: Mapping[str, str]


def no_copies(_: str) -> None:
    """Return no copy of any bytes."""


def heal(
    store: ObjectStore,
    tables: Tables,
    calendar: Calendar,
    damaged: DamagedObject,
    copies: FindCopy = no_copies,
) -> Healed:
    """Remake a damaged object, and those it is made from, into the store.

    Raises
    ------
    DamagedObject
        When it, or what it is made from, cannot be remade to the bytes that were named.
    """
    healer = _Healer(store, tables, calendar, copies)
    return Healed(healer.heal(damaged), healer.unwritten, healer.refused)


class _Healer:
    """Heals an object after those it is made from; `_at_work` are the ones being healed.

    It may do without what is lost: the digest tells whether the bytes are right all the same.
    """

    def __init__(
        self, store: ObjectStore, tables: Tables, calendar: Calendar, copies: FindCopy
    ) -> None:
        self.unwritten: dict[str, bytes] = {}
        self.refused: dict[str, str] = {}
        self._store = Overlaid(store, self.unwritten)
        self._tables, self._calendar, self._copies = tables, calendar, copies
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
            self._put_back(key, data)
        return healed | {key: sha256(data) for key, data in remade.items()}

    def _try(self, damaged: DamagedObject, healed: dict[str, str]) -> dict[str, bytes] | None:
        """Return what heals the object, or None after healing something that it is made from."""
        try:
            return self._copy(damaged) or dict(self._remake(damaged))
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

    def _copy(self, damaged: DamagedObject) -> dict[str, bytes]:
        """Return the bytes that were named, where they are at hand."""
        if damaged.sha256 is None:
            return {}
        data = damaged.data or self._copies(damaged.sha256)
        return {damaged.key: data} if data and sha256(data) == damaged.sha256 else {}

    def _remake(self, damaged: DamagedObject) -> Iterator[tuple[str, bytes]]:
        """Yield key and bytes of what heals the object."""
        if damaged.key.startswith(RUNS):
            yield from self._remake_manifests(damaged)
            return
        part = REMADE.fullmatch(damaged.key)
        link = self._find_part(date.fromisoformat(part[1]), damaged.key) if part else None
        if link is None:
            raise damaged
        data = self._remake_part(link).get(damaged.key, b"")
        if sha256(data) != link.manifest.objects[damaged.key]:
            raise damaged
        yield damaged.key, data

    def _find_part(self, session: date, key: str) -> Link | None:
        """Return the part of a session that names an object, whatever number this has."""
        manifests = list_keys(self._store, session_prefix(session))
        links = (read_link(self._store, manifest) for manifest in manifests)
        return next((link for link in links if key in link.manifest.objects), None)

    def _remake_part(self, link: Link) -> Mapping[str, bytes]:
        remade: dict[str, bytes] = {}
        before, write = read_previous_link(self._store, link), collect(remade)
        run = msgspec.structs.replace(link.manifest, lost={**link.manifest.lost, **self._lost})
        write = at_named_keys(run, write)
        remake_part(self._store, self._tables, self._calendar, run, before, write)
        return remade

    def _remake_manifests(self, damaged: DamagedObject) -> Iterator[tuple[str, bytes]]:
        """Yield the manifests from the newest whole one before up to the damaged one.

        Its part may have gone past what was damaged before; the digest tells.
        """
        for is_past in (lies_past, lambda store, key, data: True):
            remade = dict(self._remake_claimed(damaged, is_past))
            if damaged.sha256 in (None, sha256(remade[damaged.key])):
                yield from remade.items()
                return
        raise damaged

    def _remake_claimed(
        self, damaged: DamagedObject, is_past: IsPast
    ) -> Iterator[tuple[str, bytes]]:
        older = [key for key in list_keys(self._store, RUNS) if key < damaged.key]
        link = read_link(self._store, older[-1]) if older else None
        while link is None or link.manifest.key < damaged.key:
            if (claim := read_claim(self._store, link)) is None:
                raise damaged
            remade: dict[str, bytes] = {}
            write = collect_past(self._store, remade, is_past)
            claim = msgspec.structs.replace(claim, lost={**claim.lost, **self._lost})
            link = remake_part(self._store, self._tables, self._calendar, claim, link, write)
            yield link.manifest.key, remade[link.manifest.key]
        if link.manifest.key != damaged.key:
            raise damaged

    def _put_back(self, key: str, data: bytes) -> None:
        """Store the bytes that were named where they are not: never others."""
        if self._store.create(key, data) or self._store.read(key) == data:
            return
        try:
            self._store.replace(key, data)
        except StoreError as refusal:
            self.unwritten[key], self.refused[key] = data, str(refusal)
