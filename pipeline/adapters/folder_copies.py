"""Copies of lost objects, in a folder of any shape: another store, a bundle, a single file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pipeline.encoding import sha256
from pipeline.errors import ConfigError
from pipeline.ports import LARGEST_OBJECT


@dataclass(frozen=True)
class FolderCopies:
    """Files by their sha256, whatever their names; read when the first is asked for."""

    path: Path

    def find(self, digest: str) -> bytes | None:
        """Return the bytes that have this sha256, None where no file has; raises ConfigError."""
        path = self._paths.get(digest)
        return None if path is None else self._read(path)

    @cached_property
    def _paths(self) -> dict[str, Path]:
        return {sha256(self._read(path)): path for path in self._list()}

    def _list(self) -> Iterator[Path]:
        """Yield the regular files that an object can be a copy of; links are not followed."""
        for path in [self.path, *self.path.rglob("*")]:
            if path.is_file() and not path.is_symlink() and path.stat().st_size <= LARGEST_OBJECT:
                yield path

    def _read(self, path: Path) -> bytes:
        try:
            return path.read_bytes()
        except OSError as exc:
            raise ConfigError(f"expected to read the copy {path}, got {exc.strerror}") from exc
