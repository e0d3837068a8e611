"""Chain check: whether manifests, taken newest first, are one unbroken chain."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from pipeline.encoding import sha256
from pipeline.errors import StoreError
from pipeline.record.chain import Link
from pipeline.record.manifest import RunManifest, parse_manifest

OF_SESSION = re.compile(r"\d{4}-\d{2}-\d{2}(?=\.\d\d)")


class Problem(StrEnum):
    """What can be wrong with an object of the record."""

    MISSING = "missing"
    CHANGED = "changed"
    BACK_DATED = "back_dated"
    NOT_IN_CHAIN = "not_in_chain"
    UNCONFIRMED = "unconfirmed"
    LOST = "lost"
    UNSIGNED = "unsigned"


@dataclass(frozen=True, slots=True)
class Finding:
    """One object that is not as the record says, and why."""

    problem: Problem
    key: str
    message: str

    @property
    def session(self) -> str | None:
        """The session whose object it is, None for what belongs to none."""
        return named[0] if (named := OF_SESSION.search(self.key)) else None


class ChainCheck:
    """The chain as it shows while manifests come in, newest first."""

    def __init__(self) -> None:
        self.links: list[Link] = []
        self.findings: list[Finding] = []
        self._next: tuple[str, str] | None = None  # key and sha256 of the manifest to come
        self._seen = 0

    @property
    def runs(self) -> list[RunManifest]:
        return [link.manifest for link in self.links]

    def fresh(self) -> list[RunManifest]:
        """Return the manifests taken since the last call."""
        runs, self._seen = self.runs[self._seen :], len(self.links)
        return runs

    def take(self, key: str, data: bytes | None) -> None:
        """Take the next older manifest in the store, None if it went away meanwhile."""
        if data is None:
            return
        if self._next is not None and key > self._next[0]:
            self._found(Problem.NOT_IN_CHAIN, key, "no manifest names it: it was put in afterwards")
            return
        if self._next is not None and key < self._next[0]:
            self._found(Problem.MISSING, self._next[0], "the manifest after it names it")
            self._next = None
        if self._next is not None and sha256(data) != self._next[1]:
            self._found(Problem.CHANGED, key, f"expected sha256 {self._next[1]}, as the next names")
        self._link(key, data)

    def finish(self) -> None:
        """Note a first manifest that is not the record's first."""
        if self._next is not None:
            self._found(Problem.MISSING, self._next[0], "the manifest after it names it")

    def _link(self, key: str, data: bytes) -> None:
        self._next = None
        try:
            run = parse_manifest(data, key)
        except StoreError as exc:
            self._found(Problem.CHANGED, key, str(exc))
            return
        if run.key != key:
            self._found(Problem.CHANGED, key, f"it says it is {run.key}")
        self.links.append(Link(run, sha256(data)))
        if run.previous_key is not None and run.previous is not None:
            self._next = run.previous_key, run.previous

    def _found(self, problem: Problem, key: str, message: str) -> None:
        self.findings.append(Finding(problem, key, message))
