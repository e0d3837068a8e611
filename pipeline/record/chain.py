"""Chain: the record's manifests, each of which names the one before it, newest first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import msgspec

from pipeline.encoding import SHOWN, from_json
from pipeline.errors import DamagedObject, StoreError
from pipeline.ports import ObjectStore
from pipeline.record.grammar import Kind, kind_of, list_keys
from pipeline.record.keys import LATEST, RUNS, session_prefix
from pipeline.record.manifest import RunManifest, read_manifest


@dataclass(frozen=True, slots=True)
class Link:
    """A manifest and the sha256 of its bytes, by which the next one names it."""

    manifest: RunManifest
    digest: str


def find_head(store: ObjectStore) -> Link | None:
    """Return the newest link, None where nothing is on the record.

    The serving view says where to look first, so that the search costs the same after ten years;
    if it is missing or wrong, all manifests are listed.
    """
    session = read_latest_session(store)
    recent = list_keys(store, RUNS, after=session_prefix(session)) if session else []
    keys = recent or list_keys(store, RUNS)
    return read_link(store, keys[-1]) if keys else None


def read_latest_session(store: ObjectStore) -> date | None:
    """Return the session latest.json shows, None without one or for one that is damaged.

    The view can always be made again from what is committed, so damage is no error.
    """
    data = store.read(LATEST) or b""
    try:
        return from_json(data, _LatestSession, LATEST, "a session").session
    except StoreError:
        return None


class _LatestSession(msgspec.Struct):
    session: date


def read_link(store: ObjectStore, key: str) -> Link:
    """Return the manifest under `key`; raises DamagedObject if it is missing or none."""
    if kind_of(key) is not Kind.MANIFEST:
        raise StoreError(f"expected the key of a manifest, got {key[:SHOWN]!r}")
    return Link(*read_manifest(store, key))


def walk_back(store: ObjectStore, link: Link | None) -> Iterator[Link]:
    """Yield `link` and all links before it, newest first.

    Raises
    ------
    DamagedObject
        When the manifest before one is missing or is not the one it names.
    """
    while link is not None:
        yield link
        link = read_previous_link(store, link)


def read_previous_link(store: ObjectStore, link: Link) -> Link | None:
    """Return the link before one, None where the record begins; raises DamagedObject as `walk`."""
    key, expected = link.manifest.previous_key, link.manifest.previous
    if key is None:
        return None
    try:
        before = read_link(store, key)
    except DamagedObject as damaged:
        raise DamagedObject(str(damaged), key, expected) from damaged
    if before.digest != expected:
        raise DamagedObject(
            f"{store.url(key)}: expected sha256 {expected}, as {link.manifest.key} says, got "
            f"{before.digest}: it was changed after it was published",
            key,
            expected,
        )
    return before


def count_recorded(store: ObjectStore, sessions: Sequence[date]) -> int:
    """Return how many of the sessions are on the record."""
    manifests = list_keys(store, RUNS, after=f"{RUNS}{sessions[0]}")
    return len(set(map(str, sessions)) & {key.removeprefix(RUNS)[:10] for key in manifests})
