"""Readable: a store in which what cannot be read at all is a finding, and no end of a check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pipeline.errors import StoreError, UnreadableObject
from pipeline.jobs.chain_check import Finding, Problem
from pipeline.ports import ObjectStore, WriteTimes


class ReadableObjects:
    """A store whose links, pipes and bombs read as empty objects, which no object of a record is.

    `unreadable` maps their keys to why. Nothing is written through it.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self.unreadable: dict[str, str] = {}

    def read(self, key: str) -> bytes | None:
        try:
            return self._store.read(key)
        except UnreadableObject as exc:
            self.unreadable[key] = str(exc)
            return b""

    def keys(self, prefix: str, after: str = "") -> list[str]:
        try:
            return self._store.keys(prefix, after)
        except UnreadableObject:  # a link in the place of a folder, which the whole list names
            return []

    def written_at(self, prefix: str) -> WriteTimes:
        try:
            return self._store.written_at(prefix)
        except UnreadableObject:
            return WriteTimes({}, vouched=False)

    def url(self, key: str) -> str:
        return self._store.url(key)

    def create(self, key: str, data: bytes) -> bool:
        raise StoreError(f"{self.url(key)}: expected only to be read")

    def replace(self, key: str, data: bytes) -> None:
        raise StoreError(f"{self.url(key)}: expected only to be read")

    def explain(self, findings: Sequence[Finding]) -> list[Finding]:
        """Return the findings, of what is unreadable with why, and one for what has none."""
        explained = [
            replace(finding, message=self.unreadable.get(finding.key, finding.message))
            for finding in findings
        ]
        others = self.unreadable.keys() - {finding.key for finding in findings}
        explained += [Finding(Problem.CHANGED, key, self.unreadable[key]) for key in sorted(others)]
        return explained
