"""Stores that watch what is written to them, or in which something happens in between."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.ports import ObjectStore, WriteTimes
from pipeline.record.keys import (
    VIEWS,
)
from tests.support.fakes import Crash


class Watched:
    """A store that fails the test at once when anything but the serving view is overwritten."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self.read, self.create = store.read, store.create
        self.keys, self.url = store.keys, store.url

    def replace(self, key: str, data: bytes) -> None:
        assert key in VIEWS
        self._store.replace(key, data)

    def written_at(self, _: str) -> WriteTimes:
        return WriteTimes({}, vouched=False)  # no store has the events' clock


class Disturbed:
    """A store whose n-th write is preceded or followed by something: a crash, another run."""

    def __init__(self, store: ObjectStore, n: int, what: Callable[[], None], after: bool) -> None:
        self._store, self._left, self._what, self._after = store, n, what, after
        self.read, self.keys, self.url = store.read, store.keys, store.url

    def create(self, key: str, data: bytes) -> bool:
        return self._around(lambda: self._store.create(key, data))

    def replace(self, key: str, data: bytes) -> None:
        self._around(lambda: self._store.replace(key, data))

    def _around(self, write: Callable[[], bool | None]) -> bool:
        self._left -= 1
        if self._left == 0 and not self._after:
            self._what()
        written = write()
        if self._left == 0 and self._after:
            self._what()
        return bool(written)


class DisturbedReader:
    """A store whose n-th read or listing is preceded by another run."""

    def __init__(self, store: ObjectStore, n: int, what: Callable[[], None]) -> None:
        self._store, self._left, self._what = store, n, what
        self.create, self.replace, self.url = store.create, store.replace, store.url

    def read(self, key: str) -> bytes | None:
        self._count()
        return self._store.read(key)

    def keys(self, prefix: str, after: str = "") -> list[str]:
        self._count()
        return self._store.keys(prefix, after)

    def _count(self) -> None:
        self._left -= 1
        if self._left == 0:
            self._what()


def die() -> None:
    raise Crash
