"""Bulk writer: thousands of objects into a store side by side, claims and manifests in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Self

from pipeline.errors import Overtaken, StoreError
from pipeline.ports import ObjectStore
from pipeline.record.grammar import list_keys
from pipeline.record.keys import BARS, CLAIMS, RUNS
from pipeline.record.objects import create_or_adopt

WRITERS = 8
# Sessions whose objects may be on their way to the store at once.
IN_FLIGHT = 32


class BulkWriter:
    """Writes many objects at once, but nothing of a part before its claim, nor a manifest early.

    A claim waits for what was written since the last manifest, for the claim before and for the
    first manifest: without any manifest there is no claim but the first. The part's objects wait
    for the claim, its manifest for all of them and the manifest before. What failed stops what
    waits for it, so that the chain has no hole. What a dead run left of a part is not written but
    returned: whoever writes it may go past it.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._left_behind = frozenset(list_keys(store, ""))
        self._pool = ThreadPoolExecutor(WRITERS)
        self._claimer, self._committer = ThreadPoolExecutor(1), ThreadPoolExecutor(1)
        self._objects: list[Future[None]] = []
        self._claim: list[Future[None]] = []  # of the part in the making
        self._last_claim: list[Future[None]] = []
        self._first_commit: list[Future[None]] = []
        self._last_commit: list[Future[None]] = []
        self._commits: deque[Future[None]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Commit what is whole; a session in the making stays off the record."""
        with self._pool, self._claimer, self._committer:
            while self._commits:
                self._commits.popleft().result()

    def write(self, key: str, data: bytes) -> bytes:
        """Write an object soon, in the order that its kind demands; return what is there then."""
        if key in self._left_behind and not key.startswith((BARS, CLAIMS, RUNS)):
            return create_or_adopt(self._store, key, data)
        if key.startswith(CLAIMS):
            before = [*self._objects, *self._last_claim, *self._first_commit]
            self._claim = self._last_claim = [self._claimer.submit(self._put, before, key, data)]
            self._objects += self._claim
        elif key.startswith(RUNS):
            self._commit(key, data)
        else:
            self._objects.append(self._pool.submit(self._put, self._claim, key, data))
        return data

    def _commit(self, key: str, data: bytes) -> None:
        before = [*self._objects, *self._last_commit]
        commit = self._committer.submit(self._put, before, key, data)
        self._commits.append(commit)
        self._first_commit = self._first_commit or [commit]
        self._last_commit, self._objects, self._claim = [commit], [], []
        if len(self._commits) > IN_FLIGHT:
            self._commits.popleft().result()

    def _put(self, before: Sequence[Future[None]], key: str, data: bytes) -> None:
        for written in before:
            written.result()
        if create_or_adopt(self._store, key, data) == data:
            return
        if key.startswith(CLAIMS):
            raise Overtaken(
                f"{self._store.url(key)}: expected to go on with the record, but another run does: "
                "what was issued stays; see forecaster status"
            )
        if key.startswith(RUNS):
            raise Overtaken(
                f"{self._store.url(key)}: expected to publish it, but another run did, with other "
                "objects: what was issued stays; the same backfill again goes on"
            )
        if key.startswith(BARS):
            raise Overtaken(
                f"{self._store.url(key)}: expected to read this session first, but another run "
                "did: what was issued stays; the same backfill again goes on"
            )
        raise StoreError(
            f"{self._store.url(key)}: expected nothing or equal bytes, found others: what was "
            "issued stays; the same backfill again goes past them"
        )
