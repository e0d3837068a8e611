"""Part vintage: who writes a part's vintage first fixes it, and nobody takes up another's reading.

A vintage that a dead run left may be of other bars, another mode or other tickers. It is no part
of the record and can be neither changed nor taken away: the part goes past it to the next number.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from pipeline.errors import StoreError
from pipeline.ports import ObjectStore, Tables
from pipeline.record.grammar import list_keys
from pipeline.record.keys import MOST_PARTS, from_session, table_key
from pipeline.record.manifest import Mode
from pipeline.record.vintage import Vintage

# S3 takes no request from a clock that is further off.
CLOCKS_DIFFER = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a run reads, for what and when: runs that ask alike share a vintage.

    One that was read in the time to come was read under a wrong clock.
    """

    source: str
    mode: Mode
    symbols: Collection[str]
    now: datetime

    def reads_as(self, tables: Tables, data: bytes) -> bool:
        """Whether `data` is a vintage that was read so."""
        try:
            info = Vintage.decode(tables, data).info
        except StoreError:  # no vintage at all
            return False
        alike = (info.source, info.mode, set(info.asked))
        return (
            alike == (self.source, self.mode, set(self.symbols))
            and info.issued_at <= self.now + CLOCKS_DIFFER
        )


def find_vintage(
    store: ObjectStore, tables: Tables, session: date, first: int, asked: Asked
) -> tuple[int, bytes | None]:
    """Return the part number, from `first` on, that has a vintage asked for so, and its bytes.

    Where there is none, the first number that is free, and None.

    Raises
    ------
    StoreError
        When no number is left.
    """
    for number in range(first, MOST_PARTS):
        data = store.read(table_key("bars", session, number))
        if data is None or asked.reads_as(tables, data):
            return number, data
    raise _refuse_number(store, session)


def fix_vintage(
    store: ObjectStore, tables: Tables, session: date, first: int, asked: Asked, data: bytes
) -> tuple[int, bytes]:
    """Store a vintage under number `first`, if free, and return what `find_vintage` would now.

    Of those who ask alike at the same time, one writes and the others take up what it wrote.

    Raises
    ------
    StoreError
        When no number is left.
    """
    number = first
    while not store.create(table_key("bars", session, number), data):
        number, stored = find_vintage(store, tables, session, number, asked)
        if stored is not None:
            return number, stored
    return number, data


class FreeNumbers:
    """The part numbers of sessions after the record that dead runs have left free.

    What lies there is listed once; of the few sessions that something lies of, it is compared.
    """

    def __init__(self, store: ObjectStore, first: date) -> None:
        self._store = store
        self._taken = set(list_keys(store, "bars/", after=from_session("bars", first)))

    def choose(self, session: date, data: bytes) -> int:
        """Return the first number that is free or has this vintage; StoreError without one."""
        for number in range(MOST_PARTS):
            key = table_key("bars", session, number)
            if key not in self._taken or self._store.read(key) == data:
                return number
        raise _refuse_number(self._store, session)


def _refuse_number(store: ObjectStore, session: date) -> StoreError:
    return StoreError(
        f"{store.url(table_key('bars', session, 0))}: expected fewer than {MOST_PARTS} parts of a "
        "session, got as many vintages of dead runs; use another store"
    )
