"""Repair: every object on the record looked at, and what is damaged remade or given up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from pipeline.errors import DamagedObject, StoreError
from pipeline.jobs.heal import heal
from pipeline.ports import Calendar, ObjectStore, Tables
from pipeline.record.chain import Link, find_head, read_previous_link
from pipeline.record.keys import RUNS
from pipeline.record.objects import read_verified
from pipeline.record.repairs import Loss, accept_loss, read_loss


@dataclass(frozen=True, slots=True)
class Repaired:
    """What was done: key -> sha256 of what is healed, and of what is lost as a person accepted.

    `damaged` maps what could not be remade, and is not given up, to why.
    """

    healed: dict[str, str]
    lost: dict[str, str]
    damaged: dict[str, str]


def repair(
    store: ObjectStore, tables: Tables, calendar: Calendar, now: datetime, *, give_up: bool
) -> Repaired:
    """Remake what is damaged of the record; with `give_up`, accept as lost what cannot be.

    Raises
    ------
    StoreError
        When there is no record, or a damaged manifest cannot be remade, so that the record before
        it is out of reach.
    """
    done = Repaired({}, {}, {})
    for damaged in _find_damaged(store, tables, calendar, done):
        if damaged.key in done.healed:
            continue
        try:
            done.healed.update(heal(store, tables, calendar, damaged))
        except DamagedObject as cause:
            _leave_out(store, damaged, cause, done, now if give_up else None)
    return done


def _find_damaged(
    store: ObjectStore, tables: Tables, calendar: Calendar, done: Repaired
) -> Iterator[DamagedObject]:
    """Yield the damaged objects of the record, newest part last, so that the older heal first."""
    checked = set[tuple[str, str]]()
    for link in reversed(_walk_healing(store, tables, calendar, done)):
        for key, digest in link.manifest.objects.items():
            if (key, digest) not in checked:
                checked.add((key, digest))
                try:
                    read_verified(store, link.manifest, key)
                except DamagedObject as damaged:
                    yield damaged


def _walk_healing(
    store: ObjectStore, tables: Tables, calendar: Calendar, done: Repaired
) -> list[Link]:
    """Return the links of the chain, newest first, damaged manifests remade."""
    links: list[Link] = []
    while True:
        try:
            link = read_previous_link(store, links[-1]) if links else find_head(store)
        except DamagedObject as damaged:
            if damaged.key in done.healed:
                raise
            try:
                done.healed.update(heal(store, tables, calendar, damaged))
            except DamagedObject as cause:
                raise StoreError(f"{damaged}; it cannot be remade: {cause}") from cause
            continue
        if link is None and not links:
            raise StoreError(f"expected a record at {store.url(RUNS)}, found none")
        if link is None:
            return links
        links.append(link)


def _leave_out(
    store: ObjectStore,
    damaged: DamagedObject,
    cause: DamagedObject,
    done: Repaired,
    accepted_at: datetime | None,
) -> None:
    digest = damaged.sha256 or ""
    if accepted_at is not None:
        accept_loss(store, Loss(damaged.key, digest, accepted_at))
    if read_loss(store, digest) is not None:
        done.lost[damaged.key] = digest
    else:
        done.damaged[damaged.key] = str(cause)
