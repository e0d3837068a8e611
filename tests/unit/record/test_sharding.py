"""Where a ticker's record lies follows from its name, and a shard's store is a store."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pipeline.errors import StoreError
from pipeline.record.keys import SHARD, UNIVERSE
from pipeline.record.sharding import (
    ShardStore,
    assign_shard,
    describe_groups,
    find_shard,
    group_by_number,
    name_shard,
)
from pipeline.record.universe_terms import (
    ShardTerms,
    UniverseTerms,
    fix_shard_terms,
    fix_universe_terms,
    read_shard_terms,
    read_universe_terms,
)
from tests.support.fakes import MemoryObjects


def test_a_shard_is_the_same_on_every_day_and_machine() -> None:
    """int(sha256(ticker)) mod k: whoever reads a store elsewhere can reckon it."""
    tickers = ("SPY", "QQQ", "DIA", "IWM", "^VIX", "BRK-B")
    assert [assign_shard(ticker, 4) for ticker in tickers] == [2, 1, 2, 0, 0, 3]
    assert [assign_shard(ticker, 10_000) for ticker in tickers[:3]] == [8358, 6065, 7442]
    assert assign_shard("SPY", 1) == 0
    assert (name_shard(7), name_shard(9_999)) == ("shard=0007", "shard=9999")


def test_who_has_moved_is_where_its_record_is() -> None:
    numbers = {each: find_shard(each, 4, {"META": 3}) for each in ("SPY", "QQQ", "DIA", "META")}
    groups = group_by_number(numbers)
    assert list(groups.items()) == [(1, ["QQQ"]), (2, ["SPY", "DIA"]), (3, ["META"])]
    assert describe_groups(groups) == "shard=0001: QQQ; shard=0002: SPY, DIA; shard=0003: META"


def test_a_shard_sees_its_own_objects_alone() -> None:
    root = MemoryObjects({"shard=0001/runs/b": b"other", "universe.json": b"root"})
    store = ShardStore(root, 0)
    assert store.create("runs/a", b"1")
    assert not store.create("runs/a", b"2")
    store.replace("latest.json", b"3")
    root.times = {"shard=0000/runs/a": datetime(2026, 11, 20, tzinfo=UTC)}
    assert store.keys("") == ["latest.json", "runs/a"]
    assert store.keys("runs/", after="runs/a") == []
    assert store.keys("runs/", after="runs/") == ["runs/a"]
    assert (store.read("runs/a"), store.read("runs/b")) == (b"1", None)
    assert store.written_at("").times == {"runs/a": datetime(2026, 11, 20, tzinfo=UTC)}
    assert store.url("runs/a") == "memory://shard=0000/runs/a"
    assert root.objects["shard=0000/latest.json"] == b"3"


def test_the_number_of_shards_is_fixed_by_whoever_is_first() -> None:
    root = MemoryObjects()
    assert read_universe_terms(root) is None
    terms = UniverseTerms(4, "simulated", "XNYS")
    fix_universe_terms(root, terms)
    fix_universe_terms(root, terms)
    assert read_universe_terms(root) == terms
    for other, words in [
        (UniverseTerms(5, "simulated", "XNYS"), "expected shards 4, .* got 5"),
        (UniverseTerms(4, "yahoo", "XNYS"), "expected source simulated, .* got yahoo"),
        (UniverseTerms(4, "simulated", "XLON"), "expected calendar XNYS, .* got XLON"),
    ]:
        with pytest.raises(StoreError, match=f"{words}; another needs another store"):
            fix_universe_terms(root, other)
    assert read_universe_terms(root) == terms


@pytest.mark.parametrize("data", [b"", b"{}", b'{"shards": 0, "source": "a", "calendar": "b"}'])
def test_what_is_no_universe_is_refused(data: bytes) -> None:
    with pytest.raises(StoreError, match="universe.json: expected the terms of a universe"):
        read_universe_terms(MemoryObjects({UNIVERSE: data}))


def test_another_schema_is_refused_in_a_line() -> None:
    data = b'{"shards": 4, "source": "a", "calendar": "b", "schema_version": 99}'
    with pytest.raises(StoreError, match="expected schema version .* got 99"):
        read_universe_terms(MemoryObjects({UNIVERSE: data}))


def test_a_shard_says_which_it_is_and_what_rows_it_has_now() -> None:
    root = MemoryObjects()
    store = ShardStore(root, 2)
    assert read_shard_terms(store) is None
    terms = ShardTerms(2, 4, 2, "a" * 64)
    fix_shard_terms(store, terms)
    grown = ShardTerms(2, 4, 3, "b" * 64)
    fix_shard_terms(store, grown)
    assert read_shard_terms(store) == grown
    writes = len(root.written)
    fix_shard_terms(store, grown)
    assert len(root.written) == writes
    for other in (ShardTerms(1, 4, 3, "b" * 64), ShardTerms(2, 5, 3, "b" * 64)):
        with pytest.raises(StoreError, match="expected shard 2 of 4, as the record was begun"):
            fix_shard_terms(store, other)
    assert root.objects[f"shard=0002/{SHARD}"] == root.objects[root.written[-1]]
