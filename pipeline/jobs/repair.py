"""Repair: every object on the record looked at, and what is damaged remade or given up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from pipeline.errors import DamagedObject, StoreError
from pipeline.jobs.heal import FindCopy, heal, no_copies
from pipeline.ports import Calendar, ObjectStore, Tables
from pipeline.record.chain import Link, find_head, read_previous_link
from pipeline.record.claims import read_claim
from pipeline.record.keys import RUNS
from pipeline.record.objects import NamesObjects, read_verified
from pipeline.record.overlay import Overlaid
from pipeline.record.repairs import Loss, accept_loss, read_loss
from pipeline.views.refresh import refresh_views

REFUSED = "remade, but the store does not take it back"


@dataclass(frozen=True, slots=True)
class Repaired:
    """What was done: key -> sha256 of what is healed, and of what is lost as a person accepted.

    `damaged` maps what could not be remade or put back, and is not given up, to why.
    """

    healed: dict[str, str]
    lost: dict[str, str]
    damaged: dict[str, str]


def repair(
    store: ObjectStore,
    tables: Tables,
    calendar: Calendar,
    now: datetime,
    *,
    give_up: bool,
    copies: FindCopy = no_copies,
) -> Repaired:
    """Put back what is damaged of the record, from `copies` or remade.

    With `give_up`, accept as lost what cannot be had again. Once nothing is damaged any more,
    the views are made anew, which leave out what is lost.

    Raises
    ------
    StoreError
        When there is no record, or a damaged manifest cannot be remade, so that the record before
        it is out of reach.
    """
    repairer = _Repairer(store, tables, calendar, copies)
    repairer.run(now if give_up else None)
    if not repairer.done.damaged:
        with suppress(DamagedObject):  # lost of the newest session: the next one has views again
            refresh_views(store, tables, anew=True)
    return repairer.done


class _Repairer:
    def __init__(
        self, store: ObjectStore, tables: Tables, calendar: Calendar, copies: FindCopy
    ) -> None:
        self.done = Repaired({}, {}, {})
        self._store, self._tables, self._calendar, self._copies = store, tables, calendar, copies

    def run(self, accepted_at: datetime | None) -> None:
        """Heal what is damaged; what cannot be is lost, if that was accepted."""
        for damaged in self._find_damaged():
            if damaged.key in self.done.healed:
                continue
            try:
                self._heal(damaged)
            except DamagedObject as cause:
                self._leave_out(damaged, cause, accepted_at)

    def _heal(self, damaged: DamagedObject) -> None:
        healed = heal(self._store, self._tables, self._calendar, damaged, self._copies)
        refused = {key: f"{REFUSED}: {why}" for key, why in healed.refused.items()}
        self.done.damaged.update(refused)
        self.done.healed.update({k: v for k, v in healed.objects.items() if k not in refused})
        if refused:
            self._store = Overlaid(self._store, healed.unwritten)

    def _find_damaged(self) -> Iterator[DamagedObject]:
        """Yield what is damaged, newest part last, so that the older heal first.

        What a claim names is looked at too, of a part that no run has finished.
        """
        checked = set[tuple[str, str]]()
        for named in self._list_named():
            for key, digest in named.objects.items():
                if (key, digest) not in checked:
                    checked.add((key, digest))
                    try:
                        read_verified(self._store, named, key)
                    except DamagedObject as damaged:
                        yield damaged

    def _list_named(self) -> list[NamesObjects]:
        links = self._walk()
        head = links[0] if links else None
        claim = read_claim(self._store, head)
        if head is None and claim is None:
            raise StoreError(f"expected a record at {self._store.url(RUNS)}, found none")
        manifests: list[NamesObjects] = [link.manifest for link in reversed(links)]
        return manifests if claim is None else [*manifests, claim]

    def _walk(self) -> list[Link]:
        """Return the links of the chain, newest first, damaged manifests remade."""
        links: list[Link] = []
        tried = set[str]()
        while True:
            try:
                link = (
                    read_previous_link(self._store, links[-1]) if links else find_head(self._store)
                )
            except DamagedObject as damaged:
                if damaged.key in tried:
                    raise
                tried.add(damaged.key)
                try:
                    self._heal(damaged)
                except DamagedObject as cause:
                    raise StoreError(f"{damaged}; it cannot be remade: {cause}") from cause
                continue
            if link is None:
                return links
            links.append(link)

    def _leave_out(
        self, damaged: DamagedObject, cause: DamagedObject, accepted_at: datetime | None
    ) -> None:
        digest = damaged.sha256 or ""
        if accepted_at is not None:
            accept_loss(self._store, Loss(damaged.key, digest, accepted_at))
        if read_loss(self._store, digest) is not None:
            self.done.lost[damaged.key] = digest
        else:
            self.done.damaged[damaged.key] = str(cause)
