"""Where a ticker's views lie is read seldom, and known while the store is away."""

from __future__ import annotations

import json

import pytest

from pipeline.encoding import to_json
from pipeline.errors import NotPublished, StoreError
from pipeline.record.keys import UNIVERSE
from pipeline.record.universe_session import LATEST
from pipeline.record.universe_terms import UniverseTerms
from pipeline.serving.shard_map import ShardMap

VIEW = {"session": "2025-06-05", "shards": 4, "published": 1, "withheld": {}, "missing": []}


class Store:
    """Counts what is read; `away` it fails."""

    def __init__(self, **objects: bytes) -> None:
        self.objects: dict[str, bytes] = objects
        self.read_keys: list[str] = []
        self.away = False
        self.now = 0.0

    def read(self, key: str) -> bytes | None:
        self.read_keys.append(key)
        if self.away:
            raise StoreError("expected to read, got nothing")
        return self.objects.get(key)

    def move(self, **moved: int) -> None:
        self.objects[LATEST] = json.dumps(VIEW | {"moved": moved, "manifest_sha256": ""}).encode()


@pytest.fixture
def store() -> Store:
    return Store(**{UNIVERSE: to_json(UniverseTerms(4, "simulated", "XNYS"))})


@pytest.fixture
def shards(store: Store) -> ShardMap:
    return ShardMap(store.read, lambda: store.now)


def test_tickers_are_grouped_by_their_shards(store: Store, shards: ShardMap) -> None:
    store.move(META=3)
    assert shards.find(["SPY", "QQQ", "DIA", "META"]) == {
        2: ["SPY", "DIA"],
        1: ["QQQ"],
        3: ["META"],
    }


def test_the_number_is_read_once_and_who_has_moved_once_a_minute(
    store: Store, shards: ShardMap
) -> None:
    for store.now in (0, 59, 60, 119):
        shards.find(["SPY"])
    assert store.read_keys == [UNIVERSE, LATEST, LATEST]


def test_what_is_known_stands_in_for_a_store_that_is_away(store: Store, shards: ShardMap) -> None:
    store.move(META=3)
    shards.find(["META"])
    store.away, store.now = True, 100
    assert shards.find(["META"]) == {3: ["META"]}
    store.away, store.now = False, 120
    store.objects[LATEST] = b"{"
    assert shards.find(["META"]) == {3: ["META"]}
    store.move(META=1)
    store.now = 240
    assert shards.find(["META"]) == {1: ["META"]}


def test_without_a_universe_nothing_is_published(store: Store, shards: ShardMap) -> None:
    del store.objects[UNIVERSE]
    with pytest.raises(NotPublished, match="universe.json: expected it in the store"):
        shards.find(["SPY"])
    store.away = True
    with pytest.raises(StoreError, match="expected to read"):
        shards.find(["SPY"])


@pytest.mark.parametrize("damaged", [False, True])
def test_nobody_is_led_astray_before_it_is_known_who_has_moved(
    store: Store, shards: ShardMap, damaged: bool
) -> None:
    """META lies in shard 3: no answer is better than that of the shard of its name."""
    store.move(META=3)
    whole = store.objects[LATEST]

    def read(key: str) -> bytes | None:
        if key == LATEST and not damaged:
            raise StoreError("expected to read, got nothing")
        return store.read(key)

    shards.read = read
    store.objects[LATEST] = b"{"
    for store.now in (0, 1):
        with pytest.raises(StoreError):
            shards.find(["META"])
    store.objects[LATEST], shards.read = whole, store.read
    assert shards.find(["META"]) == {3: ["META"]}


def test_after_a_failure_it_is_asked_again_within_seconds(store: Store, shards: ShardMap) -> None:
    shards.find(["META"])
    store.move(META=3)
    store.away, store.now = True, 60
    first = shards.find(["META"])
    store.away, store.now = False, 64
    assert shards.find(["META"]) == first
    store.now = 65
    assert shards.find(["META"]) == {3: ["META"]}
    assert store.read_keys.count(LATEST) == 3
