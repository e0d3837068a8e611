"""The store: an S3 prefix (boto3) or a folder, with the same keys and the same promises."""

from __future__ import annotations

import os
import re
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline.errors import ConfigError, StoreError
from pipeline.ports import ObjectStore

# Parts that mean the same on S3 and on every file system. A leading dot is ours: unfinished files.
_PART = r"(?!\.)[!-.0-\[\]-~]+"
_KEY = re.compile(rf"{_PART}(?:/{_PART})*")
_S3 = re.compile(rf"s3://([a-z0-9][a-z0-9.-]{{1,61}}[a-z0-9])(?:/({_KEY.pattern})?/?)?")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")

ATTEMPTS = 4
TIMEOUTS = {"connect_timeout": 5, "read_timeout": 30}  # seconds; objects are a few MB at most
CONFLICT_PAUSES = (0.05, 0.1, 0.2, 0.4)  # seconds; the rival's put is over long before the last


def open_store(location: str) -> ObjectStore:
    """Return the store at `s3://bucket/prefix` or in a folder; nothing is read or made yet.

    Raises
    ------
    ConfigError
        When `location` is neither.
    """
    if s3 := _S3.fullmatch(location):
        return S3Objects(s3[1], s3[2] or "")
    # A shell expands ~, a setting does not, and a folder named ~ is nobody's wish.
    if not location.strip() or location.startswith("~") or _SCHEME.match(location):
        raise ConfigError(f"store: expected s3://bucket/prefix or a folder, got {location!r}")
    if Path(location).is_file():
        raise ConfigError(f"store: expected s3://bucket/prefix or a folder, got file {location!r}")
    return FolderObjects(Path(location))


def check_key(key: str) -> None:
    """Raise StoreError unless `key` is parts of visible ASCII, none with a dot in front."""
    if not _KEY.fullmatch(key):
        raise StoreError(
            "expected a key of visible ASCII parts joined by '/', none of them empty, starting "
            f"with a dot or holding a backslash, got {key!r}"
        )


def check_prefix(prefix: str) -> None:
    """Raise StoreError unless `prefix` is empty, a key, or a key and '/'."""
    if prefix:
        check_key(prefix.removesuffix("/"))


@dataclass(frozen=True)
class S3Objects:
    """Objects under a prefix of an S3 bucket.

    boto3 is imported and the client made by the first request, not before. `create` may answer
    False to the very writer that won, when the reply to its put was lost and the put repeated:
    equal bytes under the key tell.
    """

    bucket: str
    prefix: str = ""
    client: Any = None
    pause: Callable[[float], None] = time.sleep

    def read(self, key: str) -> bytes | None:
        with self._translated("read", key):
            try:
                return bytes(self._s3.get_object(**self._at(key))["Body"].read())
            except _s3_errors() as exc:
                if _code(exc) == "NoSuchKey":
                    return None
                raise

    def create(self, key: str, data: bytes) -> bool:
        with self._translated("create", key):
            return self._create(key, data, CONFLICT_PAUSES)

    def replace(self, key: str, data: bytes) -> None:
        with self._translated("replace", key):
            self._s3.put_object(**self._at(key), Body=data)

    def keys(self, prefix: str) -> list[str]:
        check_prefix(prefix)
        with self._translated("list", prefix):
            pages = self._s3.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=self._full(prefix)
            )
            found = [item["Key"] for page in pages for item in page.get("Contents", ())]
        # Folder markers, which S3's console leaves, are no keys.
        return sorted(filter(_KEY.fullmatch, (key[len(self._full("")) :] for key in found)))

    def url(self, key: str) -> str:
        return f"s3://{self.bucket}/{self._full(key)}"

    def _create(self, key: str, data: bytes, pauses: tuple[float, ...]) -> bool:
        try:
            self._s3.put_object(**self._at(key), Body=data, IfNoneMatch="*")
            return True
        except _s3_errors() as exc:
            if _code(exc) == "PreconditionFailed":
                return False
            if _code(exc) != "ConditionalRequestConflict" or not pauses:
                raise
        self.pause(pauses[0])
        return self._create(key, data, pauses[1:])

    def _full(self, key: str) -> str:
        return f"{self.prefix}/{key}" if self.prefix else key

    def _at(self, key: str) -> dict[str, str]:
        check_key(key)
        return {"Bucket": self.bucket, "Key": self._full(key)}

    @cached_property
    def _s3(self) -> Any:
        return _make_client() if self.client is None else self.client

    def _translated(self, doing: str, key: str) -> AbstractContextManager[None]:
        return _translated(f"{doing} {self.url(key)}", _s3_errors())


@dataclass(frozen=True)
class FolderObjects:
    """Objects as files under a folder, which the first write makes.

    Bytes go to a hidden file beside the final one and get their name in one step, so nobody
    reads half an object. What a killed writer leaves is never listed and safe to delete.
    """

    root: Path

    def read(self, key: str) -> bytes | None:
        path = self._path(key)
        with _translated(f"read {path}"):
            try:
                return path.read_bytes()
            except (FileNotFoundError, IsADirectoryError):
                return None

    def create(self, key: str, data: bytes) -> bool:
        path = self._path(key)
        with _translated(f"create {path}"), _hidden(path, data) as whole:
            return _link(whole, path)

    def replace(self, key: str, data: bytes) -> None:
        path = self._path(key)
        with _translated(f"replace {path}"), _hidden(path, data) as whole:
            whole.replace(path)

    def keys(self, prefix: str) -> list[str]:
        check_prefix(prefix)
        top = self.root / prefix.rpartition("/")[0]
        with _translated(f"list {top}"):
            walk = os.walk(top, onerror=_unless_missing)
            found = [Path(folder, name) for folder, _, names in walk for name in names]
        listed = sorted(path.relative_to(self.root).as_posix() for path in found)
        return [key for key in listed if key.startswith(prefix) and _KEY.fullmatch(key)]

    def url(self, key: str) -> str:
        return str(self.root / key)

    def _path(self, key: str) -> Path:
        check_key(key)
        return self.root / key


@contextmanager
def _translated(doing: str, vendor: tuple[type[Exception], ...] = (OSError,)) -> Iterator[None]:
    """Raise whatever S3 or the file system refuses as StoreError: the one place that does."""
    try:
        yield
    except vendor as exc:
        came = getattr(exc, "strerror", None) or exc
        raise StoreError(f"expected to {doing}, got {type(exc).__name__}: {came}") from exc


def _s3_errors() -> tuple[type[Exception], ...]:
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    return (BotoCoreError, ClientError, OSError, ValueError)  # ValueError: an unusable endpoint


def _code(exc: Exception) -> str:
    response: dict[str, Any] = getattr(exc, "response", {})
    return str(response.get("Error", {}).get("Code", ""))


def _make_client() -> Any:
    import boto3.session  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    retries = {"mode": "standard", "total_max_attempts": ATTEMPTS}
    # A session of our own: making clients from boto3's shared one is not safe among threads.
    return boto3.session.Session().client("s3", config=Config(retries=retries, **TIMEOUTS))


@contextmanager
def _hidden(path: Path, data: bytes) -> Iterator[Path]:
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
    with _translated(f"make the hard link {path}"):
        try:
            path.hardlink_to(whole)
        except FileExistsError:
            if path.is_dir():
                raise
            return False
    return True


def _unless_missing(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error
