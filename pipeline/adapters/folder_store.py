"""The store in a folder: the same keys and the same promises as S3."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipeline.errors import StoreError
from pipeline.ports import WriteTimes, check_key, check_prefix, is_key


@dataclass(frozen=True)
class FolderObjects:
    """Objects as files under a folder, which the first write makes.

    Bytes go to a hidden file beside the final one and get their name in one step, so nobody
    reads half an object. What a killed writer leaves is never listed and safe to delete.
    """

    root: Path

    def read(self, key: str) -> bytes | None:
        path = self._to_path(key)
        with _translate_errors(f"read {path}"):
            try:
                return path.read_bytes()
            except (FileNotFoundError, IsADirectoryError):
                return None

    def create(self, key: str, data: bytes) -> bool:
        path = self._to_path(key)
        with _translate_errors(f"create {path}"), _write_hidden(path, data) as whole:
            return _link(whole, path)

    def replace(self, key: str, data: bytes) -> None:
        path = self._to_path(key)
        with _translate_errors(f"replace {path}"), _write_hidden(path, data) as whole:
            whole.replace(path)

    def keys(self, prefix: str, after: str = "") -> list[str]:
        check_prefix(prefix)
        top = self.root / prefix.rpartition("/")[0]
        with _translate_errors(f"list {top}"):
            walk = os.walk(top, onerror=_raise_unless_missing)
            paths = [Path(folder, name) for folder, _, names in walk for name in names]
        listed = sorted(path.relative_to(self.root).as_posix() for path in paths)
        return [key for key in listed if key.startswith(prefix) and key > after and is_key(key)]

    def written_at(self, prefix: str) -> WriteTimes:
        times = {}
        for key in self.keys(prefix):
            with suppress(FileNotFoundError), _translate_errors(f"look at {key}"):
                times[key] = datetime.fromtimestamp(self._to_path(key).stat().st_mtime, UTC)
        return WriteTimes(times, vouched=False)

    def url(self, key: str) -> str:
        return str(self.root / key)

    def _to_path(self, key: str) -> Path:
        check_key(key)
        return self.root / key


@contextmanager
def _translate_errors(action: str) -> Iterator[None]:
    """Raise whatever the file system refuses as StoreError: the one place that does."""
    try:
        yield
    except OSError as exc:
        reason = exc.strerror or exc
        raise StoreError(f"expected to {action}, got {type(exc).__name__}: {reason}") from exc


@contextmanager
def _write_hidden(path: Path, data: bytes) -> Iterator[Path]:
    """Yield a file beside `path`, hidden, with all of `data` on disk; gone afterwards."""
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = path.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        with whole.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        yield whole
    finally:
        whole.unlink(missing_ok=True)


def _link(whole: Path, path: Path) -> bool:
    """Name the file `whole` also `path` and return True, or return False where that is taken.

    Only a hard link names a whole file and fails where the name is taken, in one step. File
    systems without are refused: stand-ins leave half an object, or a dead claim, in a crash.
    """
    with _translate_errors(f"make the hard link {path}"):
        try:
            path.hardlink_to(whole)
        except FileExistsError:
            if path.is_dir():
                raise
            return False
    return True


def _raise_unless_missing(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error
