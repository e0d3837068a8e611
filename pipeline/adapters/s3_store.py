"""The store in S3 (boto3)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from pipeline.errors import StoreError
from pipeline.ports import WriteTimes, check_key, check_prefix, check_size

CONFLICT_PAUSES = (0.05, 0.1, 0.2, 0.4)  # seconds; the rival's put is over long before the last


@dataclass(frozen=True, slots=True)
class Patience:
    """How long S3 is waited for: attempts in all, seconds for a connection and for an answer."""

    attempts: int
    connect: float
    read: float


# Objects are a few MB at most; whoever waits for a view waits for a few kB.
PATIENT, HURRIED = Patience(4, 5, 30), Patience(2, 1, 3)


@dataclass(frozen=True, slots=True)
class Lock:
    """S3's Object Lock on what is created: no version of it is deleted before `until`.

    `mode` is GOVERNANCE, which people with a right of its own can lift, or COMPLIANCE: nobody can.
    With `replaced` it holds for what is replaced too, by who replaces no views.
    """

    mode: str
    until: datetime
    replaced: bool = False


@dataclass(frozen=True)
class S3Objects:
    """Objects under a prefix of an S3 bucket; `lock` holds for what is created, not replaced.

    boto3 is imported and the client made by the first request, not before. `create` may answer
    False to the very writer that won, when the reply to its put was lost and the put repeated:
    equal bytes under the key tell.
    """

    bucket: str
    prefix: str = ""
    client: Any = None
    pause: Callable[[float], None] = time.sleep
    patience: Patience = PATIENT
    lock: Lock | None = None

    def read(self, key: str) -> bytes | None:
        with self._translate_errors("read", key):
            try:
                answer = self._s3.get_object(**self._locate(key))
                check_size(answer.get("ContentLength", 0), self.url(key))
                return bytes(answer["Body"].read())
            except _import_error_types() as exc:
                if _parse_error_code(exc) == "NoSuchKey":
                    return None
                raise

    def create(self, key: str, data: bytes) -> bool:
        with self._translate_errors("create", key):
            return self._create(key, data, CONFLICT_PAUSES)

    def replace(self, key: str, data: bytes) -> None:
        with self._translate_errors("replace", key):
            locked = self._lock_headers() if self.lock and self.lock.replaced else {}
            self._s3.put_object(**self._locate(key), Body=data, **locked)

    def keys(self, prefix: str, after: str = "") -> list[str]:
        return sorted(key for key, _ in self._list(prefix, after))

    def written_at(self, prefix: str) -> WriteTimes:
        times = {key: item["LastModified"] for key, item in self._list(prefix)}
        return WriteTimes(times, vouched=True)

    def url(self, key: str) -> str:
        return f"s3://{self.bucket}/{self._to_full_key(key)}"

    def _list(self, prefix: str, after: str = "") -> list[tuple[str, Any]]:
        """Return the keys under a prefix, and what S3 says of each."""
        check_prefix(prefix)
        with self._translate_errors("list", prefix):
            pages = self._s3.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket,
                Prefix=self._to_full_key(prefix),
                **({"StartAfter": self._to_full_key(after)} if after else {}),
            )
            items = [item for page in pages for item in page.get("Contents", ())]
        listed = [(item["Key"][len(self._to_full_key("")) :], item) for item in items]
        # The marker of the whole store's folder, which S3's console leaves, has no name in it.
        return [(key, item) for key, item in listed if key]

    def _create(self, key: str, data: bytes, pauses: tuple[float, ...]) -> bool:
        try:
            where = self._locate(key)
            self._s3.put_object(**where, Body=data, IfNoneMatch="*", **self._lock_headers())
            return True
        except _import_error_types() as exc:
            if _parse_error_code(exc) == "PreconditionFailed":
                return False
            if self.lock and _parse_error_code(exc) == "InvalidRequest":
                raise StoreError(
                    f"expected a bucket with Object Lock, to create and lock {self.url(key)}, got: "
                    f"{exc}. Switch it on (docs/operations.md#write-once) or say: lock none"
                ) from exc
            if _parse_error_code(exc) != "ConditionalRequestConflict" or not pauses:
                raise
        self.pause(pauses[0])
        return self._create(key, data, pauses[1:])

    def _lock_headers(self) -> dict[str, Any]:
        """Return what locks an object; S3 takes it with a digest of the bytes only."""
        if self.lock is None:
            return {}
        return {
            "ObjectLockMode": self.lock.mode,
            "ObjectLockRetainUntilDate": self.lock.until,
            "ChecksumAlgorithm": "SHA256",
        }

    def _to_full_key(self, key: str) -> str:
        return f"{self.prefix}/{key}" if self.prefix else key

    def _locate(self, key: str) -> dict[str, str]:
        check_key(key)
        return {"Bucket": self.bucket, "Key": self._to_full_key(key)}

    @cached_property
    def _s3(self) -> Any:
        return _make_client(self.patience) if self.client is None else self.client

    @contextmanager
    def _translate_errors(self, action: str, key: str) -> Iterator[None]:
        """Raise whatever S3 refuses as StoreError: the one place that does."""
        try:
            yield
        except _import_error_types() as exc:
            expectation = f"expected to {action} {self.url(key)}"
            raise StoreError(f"{expectation}, got {type(exc).__name__}: {exc}") from exc


def _import_error_types() -> tuple[type[Exception], ...]:
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    return (BotoCoreError, ClientError, OSError, ValueError)  # ValueError: an unusable endpoint


def _parse_error_code(exc: Exception) -> str:
    response: dict[str, Any] = getattr(exc, "response", {})
    return str(response.get("Error", {}).get("Code", ""))


def _make_client(patience: Patience) -> Any:
    import boto3.session  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    config = Config(
        retries={"mode": "standard", "total_max_attempts": patience.attempts},
        connect_timeout=patience.connect,
        read_timeout=patience.read,
    )
    # A session of our own: making clients from boto3's shared one is not safe among threads.
    return boto3.session.Session().client("s3", config=config)
