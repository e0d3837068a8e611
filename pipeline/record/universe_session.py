"""Universe session: what a universe's shards have of a session, and where tickers are found.

All of it lies at the root of the universe's store under `universe/`. These are views: they follow
from the shards' manifests, and are written again when a late shard has come.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Annotated

import msgspec

from pipeline.encoding import from_json
from pipeline.errors import IncompleteRun, StoreError
from pipeline.ports import ObjectStore
from pipeline.record.keys import UNIVERSE
from pipeline.record.manifest import SCHEMA_VERSION
from pipeline.record.sharding import find_shard
from pipeline.record.universe_terms import read_universe_terms

FOLDER = "universe/"
LATEST = f"{FOLDER}latest.json"
ANNOUNCED = f"{FOLDER}announced.json"
TO_VERIFY = f"{FOLDER}verify.shards.json"
SESSION_KEY = re.compile(rf"{FOLDER}[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}\.json")
FEW = 20  # shards that are named one by one


# A key of JSON is text.
ShardNumber = Annotated[str, msgspec.Meta(pattern="^[0-9]{1,4}$")]


class ShardSession(msgspec.Struct, frozen=True):
    """What a shard has of a session: its manifests' sha256 by key, and how its tickers fare.

    `withheld` counts by reason.
    """

    manifests: Mapping[str, str]
    published: int
    withheld: Mapping[str, int]


class UniverseSession(msgspec.Struct, frozen=True):
    """The manifest of manifests: a session of a universe.

    `gathered` and `failed` are by the shard's number, the latter with why it cannot be read;
    `missing` shards have nothing of the session.
    """

    session: date
    published: int
    withheld: Mapping[str, int]
    gathered: Mapping[ShardNumber, ShardSession]
    missing: tuple[int, ...]
    failed: Mapping[str, str]
    schema_version: int = SCHEMA_VERSION

    @property
    def key(self) -> str:
        return session_key(self.session)

    @property
    def absent(self) -> dict[str, str]:
        """Shard -> why it lacks the session, or cannot be read."""
        return {f"shard {n}": "missing" for n in self.missing} | {
            f"shard {n}": why for n, why in self.failed.items()
        }

    def require_complete(self, *, ended: bool = False) -> None:
        """Raise IncompleteRun where shards lack the session, so that they are run again.

        Only where the run of every shard has `ended` well, and none has the session, there was
        none: a closure that the calendar does not know. An outage leaves as little behind.
        """
        absent = self.absent
        if absent and (self.gathered or self.failed or not ended):
            more = f" and {len(absent) - FEW} more" if len(absent) > FEW else ""
            raise IncompleteRun(
                f"{self.session}: expected every shard to have the session, it lacks in "
                f"{', '.join([*absent][:FEW])}{more}",
                absent,
            )


class LatestUniverse(msgspec.Struct, frozen=True):
    """universe/latest.json: the newest session, and the shards of tickers that have moved.

    A ticker's shard follows from its name and `shards`; `moved` has the others: who was renamed
    stays where its record is.
    """

    session: date
    shards: int
    published: int
    withheld: Mapping[str, int]
    missing: tuple[int, ...]
    moved: Mapping[str, int]
    manifest_sha256: str
    schema_version: int = SCHEMA_VERSION


class ListedShard(msgspec.Struct, frozen=True):
    """One of the shards that a session is run for, as the event that runs it."""

    shard: int
    time: str


def session_key(session: date) -> str:
    """Return the key of a session's manifest of manifests: `universe/2026-11-26.json`."""
    return f"{FOLDER}{session}.json"


def list_key(session: date) -> str:
    """Return the key of the list of a session's shards: `universe/2026-11-26.shards.json`."""
    return f"{FOLDER}{session}.shards.json"


def list_session_keys(root: ObjectStore) -> list[str]:
    """Return the keys of the sessions that were gathered, oldest first."""
    return [key for key in root.keys(FOLDER) if SESSION_KEY.fullmatch(key)]


def read_listed(root: ObjectStore, session: date) -> list[ListedShard] | None:
    """Return the shards that a session was to be run for, None where nobody has listed them."""
    key = list_key(session)
    data = root.read(key)
    return (
        None
        if data is None
        else from_json(data, list[ListedShard], root.url(key), "a list of shards")
    )


def parse_latest_universe(data: bytes, where_from: str = LATEST) -> LatestUniverse:
    """Return what universe/latest.json says; raises StoreError for what says nothing."""
    return from_json(data, LatestUniverse, where_from, "the newest session of a universe")


def find_shards(root: ObjectStore, tickers: Iterable[str]) -> dict[str, int]:
    """Return ticker -> the shard in which its record lies, if it has one.

    Raises
    ------
    StoreError
        When the store is of no universe.
    """
    terms = read_universe_terms(root)
    if terms is None:
        raise StoreError(f"expected a universe at {root.url(UNIVERSE)}, found none")
    data = root.read(LATEST)
    moved = {} if data is None else parse_latest_universe(data, root.url(LATEST)).moved
    return {ticker: find_shard(ticker, terms.shards, moved) for ticker in tickers}
