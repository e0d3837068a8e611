"""The store in S3 (boto3), or in a server that speaks as S3 does."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Self, TypeVar

from pipeline.adapters.aws.clients import PATIENT, Patience, make_client
from pipeline.adapters.aws.errors import (
    EXISTS,
    FOREIGN,
    import_error_types,
    may_pass,
    parse_code,
    parse_status,
    translate_errors,
)
from pipeline.adapters.aws.s3_lists import list_objects
from pipeline.adapters.aws.s3_options import Lock
from pipeline.errors import StoreError
from pipeline.ports import WriteTimes, check_key, check_prefix, check_size

# Seconds before the second attempt, the third and so on; a rival's put is over before the last.
PAUSES = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2)
PIECE = 2**20  # bytes
Result = TypeVar("Result")


@dataclass(frozen=True)
class S3Objects:
    """Objects under a prefix of an S3 bucket; `lock` holds for what is created, not replaced.

    `sse` is what each put says of encryption.

    boto3 is imported and the client made by the first request, or by `connect`, not before.
    `create` may answer False to the very writer that won, when the reply to its put was lost and
    the put repeated: equal bytes under the key tell.
    """

    bucket: str
    prefix: str = ""
    client: Any = None
    pause: Callable[[float], None] = time.sleep
    patience: Patience = PATIENT
    lock: Lock | None = None
    sse: Mapping[str, str] = field(default_factory=dict)

    def connect(self) -> Self:
        """Make the client now, and return the store; nothing is sent."""
        with self._translate_errors("connect to", ""):
            _ = self._s3
        return self

    def read(self, key: str) -> bytes | None:
        where = self._locate(key)
        with self._translate_errors("read", key):
            try:
                return self._ask(lambda: self._read(where))
            except import_error_types() as exc:
                if parse_code(exc) == "NoSuchKey":
                    return None
                raise

    def create(self, key: str, data: bytes) -> bool:
        where = self._locate(key) | {"IfNoneMatch": "*", **self._lock_headers()}
        with self._translate_errors("create", key):
            try:
                self._ask(lambda: self._put(where, data))
            except import_error_types() as exc:
                if parse_status(exc) in EXISTS or parse_code(exc) == "PreconditionFailed":
                    return False
                if self.lock and parse_code(exc) == "InvalidRequest":
                    raise StoreError(
                        f"expected a bucket with Object Lock, to create and lock {self.url(key)}, "
                        f"got: {exc}. Switch it on (docs/operations.md#write-once) or say: lock "
                        "none"
                    ) from exc
                raise
        return True

    def replace(self, key: str, data: bytes) -> None:
        locked = self._lock_headers() if self.lock and self.lock.replaced else {}
        where = self._locate(key) | locked
        with self._translate_errors("replace", key):
            self._ask(lambda: self._put(where, data))

    def keys(self, prefix: str, after: str = "") -> list[str]:
        return [*self._list(prefix, after)]

    def written_at(self, prefix: str) -> WriteTimes:
        listed = self._list(prefix)
        with self._translate_errors("list", prefix):
            times = {key: item["LastModified"] for key, item in listed.items()}
        return WriteTimes(times, vouched=True)

    def url(self, key: str) -> str:
        return f"s3://{self.bucket}/{self._to_full_key(key)}"

    def _list(self, prefix: str, after: str = "") -> dict[str, Any]:
        """Return the keys under a prefix, sorted, and what S3 says of each."""
        check_prefix(prefix)
        begin = self._to_full_key(after) if after else ""
        with self._translate_errors("list", prefix):
            full = self._to_full_key(prefix)
            items = self._ask(lambda: list_objects(self._s3, self.bucket, full, begin))
        listed = {key[len(self._to_full_key("")) :]: item for key, item in items.items()}
        # The marker of the whole store's folder, which S3's console leaves, has no name in it.
        listed.pop("", None)
        return listed

    def _ask(self, request: Callable[[], Result]) -> Result:
        """Make a request, again where that may help: all are safe to repeat."""
        for pause in PAUSES[: self.patience.attempts - 1]:
            try:
                return request()
            except import_error_types() as exc:
                if not may_pass(exc):
                    raise
            self.pause(pause)
        return request()

    def _read(self, where: dict[str, Any]) -> bytes:
        answer, url = self._s3.get_object(**where), f"s3://{where['Bucket']}/{where['Key']}"
        check_size(answer.get("ContentLength", 0), url)
        data = _read_body(answer["Body"], url)
        _check_answer(answer, url)
        return data

    def _put(self, where: dict[str, Any], data: bytes) -> None:
        answer = self._s3.put_object(**where, **self.sse, Body=data)
        _check_answer(answer, f"s3://{where['Bucket']}/{where['Key']}")

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

    def _locate(self, key: str) -> dict[str, Any]:
        check_key(key)
        return {"Bucket": self.bucket, "Key": self._to_full_key(key)}

    @cached_property
    def _s3(self) -> Any:
        once = replace(self.patience, attempts=1)  # `_ask` asks again, after broken bodies too
        return make_client("s3", patience=once) if self.client is None else self.client

    def _translate_errors(self, action: str, key: str) -> AbstractContextManager[None]:
        return translate_errors(StoreError, f"expected to {action} {self.url(key)}")


def _read_body(body: Any, url: str) -> bytes:
    """Return a body that comes to its end and is no larger than an object, whatever was said."""
    pieces: list[bytes] = []
    size = 0
    while piece := body.read(PIECE):
        size += len(piece)
        check_size(size, url)
        pieces.append(piece)
    return b"".join(pieces)


def _check_answer(answer: dict[str, Any], url: str) -> None:
    """Raise StoreError for an answer that is not S3's: every object has an ETag."""
    if not answer.get("ETag"):
        kind = answer.get("ContentType") or "no type"
        raise StoreError(
            f"expected S3's answer for {url}, got one of {kind} without an ETag. {FOREIGN}"
        )
