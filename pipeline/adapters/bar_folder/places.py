"""Places: where files of bars lie, a folder, a file alone or objects under a prefix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from pipeline.errors import StoreError
from pipeline.ports import ObjectStore, is_key

# What a place raises, with the words of who could not list or read.
PLACE_ERRORS = (OSError, StoreError)
PARQUET = ".parquet"
NOTES = ".txt"  # what Stooq names its files of bars, and others their notes
SUFFIXES = (".csv", PARQUET, NOTES)


class Place(Protocol):
    """Files by their names; `where` says where, `kind` what it is, as a label.

    `list_names` returns all names there, in order, of which `is_file` tells those of files; `read`
    returns a file's bytes, and of a longer one no less than `most` and some. They raise
    PLACE_ERRORS. `anew` returns the place with nothing of it kept.
    """

    @property
    def where(self) -> str: ...

    @property
    def kind(self) -> str: ...

    def list_names(self) -> Sequence[str]: ...

    def is_file(self, name: str) -> bool: ...

    def read(self, name: str, most: int) -> bytes: ...

    def anew(self) -> Place: ...


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder, without the folders in it."""

    folder: Path
    kind: str = "folder"

    @property
    def where(self) -> str:
        """The folder's path."""
        return str(self.folder)

    def list_names(self) -> Sequence[str]:
        return sorted(path.name for path in self.folder.iterdir())

    def is_file(self, name: str) -> bool:
        return (self.folder / name).is_file()

    def read(self, name: str, most: int) -> bytes:
        with (self.folder / name).open("rb") as file:
            return file.read(most + 1)

    def anew(self) -> Place:
        return self


@dataclass(frozen=True, slots=True)
class Alone:
    """A file of a place, and nothing else of it."""

    place: Place
    name: str
    kind: str = "file"

    @property
    def where(self) -> str:
        """The place and the file's name."""
        return f"{self.place.where.rstrip('/')}/{self.name}"

    def list_names(self) -> Sequence[str]:
        return [self.name]

    def is_file(self, name: str) -> bool:
        return self.place.is_file(name)

    def read(self, name: str, most: int) -> bytes:
        return self.place.read(name, most)

    def anew(self) -> Place:
        return Alone(self.place.anew(), self.name)


def is_place(path: str) -> bool:
    """Whether a path is of a folder, or of a file that is named as bars are."""
    named = path.lower().endswith(SUFFIXES)
    return bool(path.strip()) and (Path(path).is_dir() or (named and Path(path).is_file()))


def split_name(location: str) -> tuple[str, str]:
    """Return s3://bucket/prefix and the name of the one object below it, empty for all of them."""
    prefix, _, name = location.rstrip("/").rpartition("/")
    return (prefix, name) if name.lower().endswith(SUFFIXES) else (location, "")


def open_objects(store: ObjectStore, name: str = "") -> Place:
    """Return the objects right under a store's prefix, or the one of that name alone."""
    objects = Objects(store)
    return Alone(objects, name) if name else objects


@dataclass(frozen=True, slots=True)
class Objects:
    """The objects of a store right under its prefix; the last one read is kept."""

    store: ObjectStore
    kind: str = "s3"
    _last: dict[str, bytes] = field(default_factory=dict)

    @property
    def where(self) -> str:
        """The store's URL."""
        return self.store.url("").rstrip("/")

    def list_names(self) -> Sequence[str]:
        return [name for name in self.store.keys("") if is_key(name) and "/" not in name]

    def is_file(self, name: str) -> bool:
        return "/" not in name

    def read(self, name: str, most: int) -> bytes:
        if name not in self._last:
            data = self.store.read(name)
            if data is None:
                raise FileNotFoundError(f"expected {self.store.url(name)}, found nothing there")
            self._last.clear()
            self._last[name] = data
        return self._last[name]

    def anew(self) -> Place:
        return Objects(self.store, self.kind)
