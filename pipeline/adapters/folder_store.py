"""The store in a folder: the same keys and the same promises as S3."""

from __future__ import annotations

import os
import re
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from pipeline.errors import StoreError, UnreadableObject
from pipeline.ports import WriteTimes, check_key, check_prefix, check_size, is_key

UNFINISHED = re.compile(r"\.[0-9a-f]{32}\.tmp")
# Seconds after which whoever wrote a hidden file is dead: a write takes less than one.
ABANDONED = 24 * 60 * 60
DEEPEST = 8  # folders in folders that are looked into; no key has as many parts


@dataclass(frozen=True)
class FolderObjects:
    """Objects as files under a folder, which the first write makes.

    Bytes go to a hidden file beside the final one and get their name in one step, so nobody
    reads half an object. What a killed writer leaves is never listed, and swept away by the
    first write of any later store to folders like its own, once it is a day old. Links below the
    folder are not followed, and nothing but regular files is read.
    """

    root: Path
    _swept: set[Path] = field(default_factory=set, init=False, repr=False, compare=False)

    def read(self, key: str) -> bytes | None:
        path = self._to_path(key)
        with _translate_errors(f"read {path}"):
            try:
                _check_regular(path)
                return path.read_bytes()
            except (FileNotFoundError, IsADirectoryError):
                return None

    def create(self, key: str, data: bytes) -> bool:
        path = self._to_path(key)
        with _translate_errors(f"create {path}"), _write_hidden(path, data) as whole:
            self._sweep(key, whole)
            return _link(whole, path)

    def replace(self, key: str, data: bytes) -> None:
        path = self._to_path(key)
        with _translate_errors(f"replace {path}"), _write_hidden(path, data) as whole:
            self._sweep(key, whole)
            whole.replace(path)

    def keys(self, prefix: str, after: str = "") -> list[str]:
        check_prefix(prefix)
        folder = prefix.rpartition("/")[0]
        top = self._to_path(f"{folder}/-").parent if folder else self.root
        with _translate_errors(f"list {top}"):
            names = [name for name, _ in _walk(top, f"{folder}/" if folder else "", DEEPEST)]
        return sorted(name for name in names if name.startswith(prefix) and name > after)

    def written_at(self, prefix: str) -> WriteTimes:
        times = {}
        for key in filter(is_key, self.keys(prefix)):
            with suppress(FileNotFoundError), _translate_errors(f"look at {key}"):
                times[key] = datetime.fromtimestamp(self._to_path(key).stat().st_mtime, UTC)
        return WriteTimes(times, vouched=False)

    def url(self, key: str) -> str:
        return str(self.root / key)

    def _to_path(self, key: str) -> Path:
        check_key(key)
        for folder in (self.root / parent for parent in PurePosixPath(key).parents[:-1]):
            if folder.is_symlink():
                raise UnreadableObject(
                    f"expected a folder at {folder}, got a link, which leads elsewhere"
                )
        return self.root / key

    def _sweep(self, key: str, fresh: Path) -> None:
        """Take away what dead writers left in the folders of keys like `key`, once.

        It is a day older than `fresh`, a file just written: by one clock, right or wrong.
        """
        first, _, rest = key.partition("/")
        top, depth = (self.root / first, DEEPEST) if rest else (self.root, 0)
        if top in self._swept:
            return
        self._swept.add(top)
        with suppress(OSError):  # no reason to end a run
            before = fresh.stat().st_mtime - ABANDONED
            for _, entry in _walk(top, "", depth, hidden=True):
                if entry.stat(follow_symlinks=False).st_mtime < before:
                    Path(entry.path).unlink(missing_ok=True)


@contextmanager
def _translate_errors(action: str) -> Iterator[None]:
    """Raise whatever the file system refuses as StoreError: the one place that does."""
    try:
        yield
    except OSError as exc:
        reason = exc.strerror or exc
        raise StoreError(f"expected to {action}, got {type(exc).__name__}: {reason}") from exc


def _walk(
    top: Path, name: str, depth: int, *, hidden: bool = False
) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Yield everything below `top` but folders by its name, or what writers have hidden there.

    Folders that cannot be looked into, or lie too deep, are named themselves; links always are.
    """
    try:
        with os.scandir(top) as listing:
            entries = list(listing)
    except FileNotFoundError:
        return
    for entry in entries:
        own = UNFINISHED.fullmatch(entry.name) is not None and entry.is_file(follow_symlinks=False)
        inside = f"{name}{entry.name}"
        if depth and entry.is_dir(follow_symlinks=False) and os.access(entry.path, os.R_OK):
            yield from _walk(Path(entry.path), f"{inside}/", depth - 1, hidden=hidden)
        elif own is hidden:
            yield inside, entry


def _check_regular(path: Path) -> None:
    """Raise unless `path` is a file of a size that can be read: pipes and devices never end."""
    found = path.lstat()
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError
    if not stat.S_ISREG(found.st_mode):
        kind = "a link" if stat.S_ISLNK(found.st_mode) else "a pipe or device"
        raise UnreadableObject(f"expected a regular file at {path}, got {kind}")
    check_size(found.st_size, str(path))


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
