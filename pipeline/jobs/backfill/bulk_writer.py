"""Bulk writer: thousands of objects into a store side by side, manifests in their order."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Self

from pipeline.errors import StoreError
from pipeline.ports import ObjectStore
from pipeline.record.keys import RUNS
from pipeline.record.manifest import create_or_adopt

WRITERS = 8
# Sessions whose objects may be on their way to the store at once.
IN_FLIGHT = 32


class BulkWriter:
    """Writes many objects at once, and each manifest when all before it is written."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._pool, self._committer = ThreadPoolExecutor(WRITERS), ThreadPoolExecutor(1)
        self._objects: list[Future[None]] = []
        self._commits: deque[Future[None]] = deque()
        self._last: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Commit what is whole; a session in the making stays off the record."""
        with self._pool, self._committer:
            while self._commits:
                self._commits.popleft().result()

    def write(self, key: str, data: bytes) -> bytes:
        """Write an object soon; a manifest after all objects and manifests before it."""
        if not key.startswith(RUNS):
            self._objects.append(self._pool.submit(self._put, key, data))
            return data
        # After a commit that failed none may follow, or the chain would have a hole.
        whole = [*self._objects, *([self._last] if self._last else [])]
        self._last = self._committer.submit(self._commit, whole, key, data)
        self._commits.append(self._last)
        self._objects = []
        if len(self._commits) > IN_FLIGHT:
            self._commits.popleft().result()
        return data

    def _commit(self, whole: Sequence[Future[None]], key: str, data: bytes) -> None:
        for written in whole:
            written.result()
        self._put(key, data)

    def _put(self, key: str, data: bytes) -> None:
        if create_or_adopt(self._store, key, data) != data:
            raise StoreError(
                f"{self._store.url(key)}: expected nothing or equal bytes, found what another "
                "backfill wrote from other bars or with another model; use another store"
            )
