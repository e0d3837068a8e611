"""Noted digests: what was noted of manifests when they were issued, out of the store's reach."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.errors import ConfigError
from pipeline.jobs.chain_check import Finding, Problem
from pipeline.record.chain import Link

SHA256 = re.compile("[0-9a-f]{64}")
FORMS = (
    "lines of KEY SHA256, such as runs/2024-12-27.00.json 1f..., or what forecaster run --json and "
    "the daily function's log say"
)


@dataclass(frozen=True, slots=True)
class NotedDigest:
    """The sha256 of a manifest and its key, None where that was not noted."""

    sha256: str
    key: str | None = None


def parse_noted(text: str, where_from: str) -> tuple[NotedDigest, ...]:
    """Return the digests in a text: lines, JSON documents, or both, one after the other.

    Raises
    ------
    ConfigError
        When something in it is neither, or there is no digest in it.
    """
    noted: list[NotedDigest] = []
    at = 0
    while (at := _skip_spaces(text, at)) < len(text):
        if text[at] == "{":
            document, at = _decode_document(text, at, where_from)
            noted += _list_digests(document)
        else:
            line, _, _ = text[at:].partition("\n")
            noted.append(_parse_line(line, where_from))
            at += len(line)
    if not noted:
        raise ConfigError(f"{where_from}: expected {FORMS}; found no digest")
    return tuple(dict.fromkeys(noted))


def check_noted(noted: Sequence[NotedDigest], links: Sequence[Link]) -> Iterator[Finding]:
    """Yield the noted digests that the chain does not have."""
    digests = {link.manifest.key: link.digest for link in links}
    for digest in noted:
        if digest.key is None and digest.sha256 not in digests.values():
            message = "no manifest of the chain has this sha256"
            yield Finding(Problem.MISSING, digest.sha256, message)
        elif digest.key is not None and digests.get(digest.key) != digest.sha256:
            got = digests.get(digest.key)
            problem = Problem.CHANGED if got else Problem.MISSING
            message = f"noted as sha256 {digest.sha256}, the chain has {got or 'no such manifest'}"
            yield Finding(problem, digest.key, message)


def _skip_spaces(text: str, at: int) -> int:
    while at < len(text) and text[at].isspace():
        at += 1
    return at


def _decode_document(text: str, at: int, where_from: str) -> tuple[Any, int]:
    try:
        return json.JSONDecoder().raw_decode(text, at)
    except (json.JSONDecodeError, RecursionError) as exc:
        raise ConfigError(f"{where_from}: expected {FORMS}; got broken JSON: {exc}") from exc


def _list_digests(document: Mapping[str, Any]) -> Iterator[NotedDigest]:
    """Yield the digests of a summary, or of a line of the log that has one."""
    summary = document.get("summary", document)
    manifests = summary.get("manifests") if isinstance(summary, dict) else None
    for key, digest in (manifests if isinstance(manifests, dict) else {}).items():
        if isinstance(digest, str) and SHA256.fullmatch(digest):
            yield NotedDigest(digest, key)


def _parse_line(line: str, where_from: str) -> NotedDigest:
    key, _, digest = line.rpartition(" ")
    if not SHA256.fullmatch(digest.strip()):
        raise ConfigError(f"{where_from}: expected {FORMS}; got {line[:80]!r}")
    return NotedDigest(digest.strip(), key.strip() or None)
