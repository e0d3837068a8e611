"""Objects: bytes of the record created once, and read back as they were named."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

from pipeline.encoding import sha256
from pipeline.errors import DamagedObject, StoreError
from pipeline.ports import ObjectStore
from pipeline.record.grammar import kind_of

T = TypeVar("T")


def create_or_adopt(store: ObjectStore, key: str, data: bytes) -> bytes:
    """Write `data` where nothing is, and return what is there now: ours or the first writer's."""
    if store.create(key, data):
        return data
    return read_required(store, key)


def read_required(store: ObjectStore, key: str) -> bytes:
    """Return the bytes under `key`; raises DamagedObject if there are none."""
    data = store.read(key)
    if data is None:
        raise DamagedObject(f"expected an object at {store.url(key)}, found none", key)
    return data


def read_decoded(store: ObjectStore, key: str, decode: Callable[[bytes, str], T]) -> T | None:
    """Return the document under `key`, None where there is none; raises as `decode` does."""
    data = store.read(key)
    return None if data is None else decode(data, store.url(key))


class NamesObjects(Protocol):
    """A document under `key` that names objects by their sha256."""

    @property
    def key(self) -> str: ...

    @property
    def objects(self) -> Mapping[str, str]: ...


def read_verified(store: ObjectStore, run: NamesObjects, key: str) -> bytes:
    """Return the bytes of an object that the manifest names.

    Raises
    ------
    StoreError
        When the manifest does not name it.
    DamagedObject
        When it is missing, or not the bytes named.
    """
    if key not in run.objects or kind_of(key) is None:
        raise StoreError(f"{store.url(run.key)}: expected it to name the object {key}, it does not")
    data, expected = store.read(key), run.objects[key]
    if data is None:
        raise DamagedObject(f"expected an object at {store.url(key)}, found none", key, expected)
    if sha256(data) != expected:
        raise DamagedObject(
            f"{store.url(key)}: expected sha256 {expected}, as the manifest says, "
            f"got {sha256(data)}: it was changed after it was published",
            key,
            expected,
        )
    return data
