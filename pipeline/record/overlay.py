"""Overlay: objects that a store would not take back, laid over it in memory for one run."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.ports import ObjectStore, WriteTimes


class Overlaid:
    """A store read as if `objects` lay in it; what is written goes to the store.

    A bucket that is written once refuses to have a changed object put right by the daily function.
    """

    def __init__(self, store: ObjectStore, objects: Mapping[str, bytes]) -> None:
        self._store, self._objects = store, objects
        self.beneath = beneath(store)
        self.create, self.replace, self.keys, self.url = (
            store.create,
            store.replace,
            store.keys,
            store.url,
        )

    def read(self, key: str) -> bytes | None:
        return self._objects[key] if key in self._objects else self._store.read(key)

    def written_at(self, prefix: str) -> WriteTimes:
        return self._store.written_at(prefix)


def beneath(store: ObjectStore) -> ObjectStore:
    """Return the store as it is: what every other process finds in it."""
    return store.beneath if isinstance(store, Overlaid) else store
