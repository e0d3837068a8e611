"""Replay: a session made again from its vintage, its bundle and the record before it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from pipeline.errors import StoreError
from pipeline.jobs.differences import describe_difference
from pipeline.jobs.remake import at_named_keys, remake_part
from pipeline.ports import Calendar, ObjectStore, Tables
from pipeline.record.chain import Link, read_link, read_previous_link
from pipeline.record.compare import Comparison, compare
from pipeline.record.grammar import list_keys
from pipeline.record.keys import RUNS, session_prefix


@dataclass(frozen=True, slots=True)
class Replayed:
    """One object of a session made again: whether it is equal to what is stored, and what differs.

    Numbers are equal on the grid.
    """

    key: str
    equal: bool
    comparison: Comparison
    difference: str = ""


def replay(store: ObjectStore, tables: Tables, calendar: Calendar, session: date) -> list[Replayed]:
    """Make every object of a session again and compare it with the store, in order of writing.

    Raises
    ------
    StoreError
        When nothing is published of the session, or what it was made from is missing or changed.
    """
    keys = list_keys(store, session_prefix(session))
    if not keys:
        raise StoreError(f"expected a manifest of {session} at {store.url(RUNS)}, found none")
    links = (read_link(store, key) for key in keys)
    return [replayed for link in links for replayed in replay_part(store, tables, calendar, link)]


def replay_part(
    store: ObjectStore, tables: Tables, calendar: Calendar, link: Link
) -> list[Replayed]:
    """Make every object of one part again; raises StoreError as `replay` does.

    Of the part itself only vintage and bundle are read: what is stored in the place of an object
    that comes out otherwise explains nothing that follows from it.
    """
    compared: list[Replayed] = []

    def compare_with_stored(key: str, data: bytes) -> bytes:
        stored = store.read(key)
        comparison = compare(key, stored, data, tables) if stored else Comparison.CHANGED
        if comparison is not Comparison.CHANGED:
            compared.append(Replayed(key, True, comparison))
            return stored or data
        difference = describe_difference(tables, key, data, stored)
        compared.append(Replayed(key, False, comparison, difference))
        return data

    before, run = read_previous_link(store, link), link.manifest
    remake_part(store, tables, calendar, run, before, at_named_keys(run, compare_with_stored))
    return compared
