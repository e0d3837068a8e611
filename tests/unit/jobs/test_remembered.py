"""Objects and tables read again and again are read once, within bounds."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.errors import StoreError
from pipeline.jobs import remembered
from pipeline.jobs.remembered import RememberedObjects, RememberedTables
from tests.support.fakes import MemoryObjects


class CountedObjects(MemoryObjects):
    def __init__(self, objects: dict[str, bytes]) -> None:
        super().__init__(objects)
        self.reads: list[str] = []

    def read(self, key: str) -> bytes | None:
        self.reads.append(key)
        return super().read(key)


def test_an_object_is_read_once_and_one_that_is_missing_every_time() -> None:
    store = CountedObjects({"a": b"1"})
    objects = RememberedObjects(store)
    assert [objects.read(key) for key in ("a", "a", "b", "b")] == [b"1", b"1", None, None]
    assert store.reads == ["a", "b", "b"]
    assert objects.last == "b"
    assert (objects.keys(""), objects.url("a")) == (["a"], "memory://a")


def test_what_was_read_longest_ago_is_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "MAX_BYTES", 10)
    store = CountedObjects({"a": b"12345", "b": b"12345", "c": b"1"})
    objects = RememberedObjects(store)
    for key in ("a", "b", "a", "c", "a", "b"):
        objects.read(key)
    assert store.reads == ["a", "b", "c", "b"]


def test_nothing_is_written_through_it() -> None:
    objects = RememberedObjects(MemoryObjects())
    for write in (objects.create, objects.replace):
        with pytest.raises(StoreError, match="memory://a: expected only to be read"):
            write("a", b"1")


class CountedTables:
    def __init__(self) -> None:
        self.decoded: list[bytes] = []

    def encode(self, table: str, columns: object, metadata: object) -> bytes:
        return b"encoded"

    def decode(self, table: str, data: bytes) -> tuple[dict[str, np.ndarray], dict[str, str]]:
        self.decoded.append(data)
        return {"x": np.zeros(3)}, {"of": table}


def test_a_table_is_decoded_once_and_cannot_be_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "MAX_TABLES", 2)
    counted = CountedTables()
    tables = RememberedTables(counted)
    first, metadata = tables.decode("bars", b"1")
    first["y"], metadata["z"] = np.ones(1), ""
    again, of = tables.decode("bars", b"1")
    assert (list(again), of) == (["x"], {"of": "bars"})
    with pytest.raises(ValueError, match="read-only"):
        again["x"][0] = 1
    assert tables.decode("scores", b"1")[1] == {"of": "scores"}
    assert len(counted.decoded) == 2
    for data in (b"2", b"1", b"2"):
        tables.decode("bars", data)
    assert counted.decoded == [b"1", b"1", b"2", b"1"]
    assert tables.encode("bars", {}, {}) == b"encoded"
