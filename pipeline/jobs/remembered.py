"""Remembered: a store and its tables for many readings of the same objects, which never change."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from pipeline.columns import Columns
from pipeline.errors import StoreError
from pipeline.ports import ObjectStore, Tables, WriteTimes

# Sessions that follow each other read much the same: the newest few vintages and tables.
MAX_BYTES = 128_000_000
MAX_TABLES = 48


class RememberedObjects:
    """What was read last from a store, kept within bounds; nothing is written through it.

    `last` is the key that was asked for last.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._objects: OrderedDict[str, bytes] = OrderedDict()
        self._size = 0
        self.last = ""

    def read(self, key: str) -> bytes | None:
        self.last = key
        if key in self._objects:
            self._objects.move_to_end(key)
            return self._objects[key]
        data = self._store.read(key)
        if data is not None:
            self._keep(key, data)
        return data

    def _keep(self, key: str, data: bytes) -> None:
        self._objects[key] = data
        self._size += len(data)
        while self._size > MAX_BYTES:
            self._size -= len(self._objects.popitem(last=False)[1])

    def keys(self, prefix: str, after: str = "") -> list[str]:
        return self._store.keys(prefix, after)

    def written_at(self, prefix: str) -> WriteTimes:
        return self._store.written_at(prefix)

    def url(self, key: str) -> str:
        return self._store.url(key)

    def create(self, key: str, data: bytes) -> bool:
        raise StoreError(f"{self.url(key)}: expected only to be read")

    def replace(self, key: str, data: bytes) -> None:
        raise StoreError(f"{self.url(key)}: expected only to be read")


class RememberedTables:
    """Tables decoded once; nobody can write into what is remembered."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._decoded: OrderedDict[tuple[str, bytes], Any] = OrderedDict()

    def empty(self, table: str) -> dict[str, NDArray[Any]]:
        return self._tables.empty(table)

    def encode(self, table: str, columns: Columns, metadata: Mapping[str, str]) -> bytes:
        return self._tables.encode(table, columns, metadata)

    def decode(self, table: str, data: bytes) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
        if (table, data) not in self._decoded:
            self._decoded[table, data] = self._decode(table, data)
        self._decoded.move_to_end((table, data))
        if len(self._decoded) > MAX_TABLES:
            self._decoded.popitem(last=False)
        columns, metadata = self._decoded[table, data]
        return dict(columns), dict(metadata)

    def _decode(self, table: str, data: bytes) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
        columns, metadata = self._tables.decode(table, data)
        for column in columns.values():
            column.flags.writeable = False
        return columns, metadata
