"""Where in S3 objects lie, how long they are locked there, and how they are encrypted."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline.errors import ConfigError

LOCATION = re.compile(
    r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?P<prefix>(/[^/.\\][^/\\]*)*/?)"
)
NO_LOCK = "none"
LOCKS = f"{NO_LOCK}, governance:YEARS or compliance:YEARS, 1 to 99"
LOCK = re.compile(rf"{NO_LOCK}|(?P<mode>governance|compliance):(?P<years>[1-9]\d?)")
# For buckets whose policy wants it said; by default the bucket itself decides.
NO_SSE = "none"
SSES = f"{NO_SSE}, aes256, kms or kms:KEY, a key's ARN or id"
SSE = re.compile(rf"{NO_SSE}|(?P<aes>aes256)|kms(?::(?P<key>[A-Za-z0-9:/_-]+))?")


@dataclass(frozen=True, slots=True)
class Lock:
    """S3's Object Lock on what is created: no version of it is deleted before `until`.

    `mode` is GOVERNANCE, which people with a right of its own can lift, or COMPLIANCE: nobody can.
    With `replaced` it holds for what is replaced too, by who replaces no views.
    """

    mode: str
    until: datetime
    replaced: bool = False


def parse_lock(text: str, now: datetime) -> Lock | None:
    """Return how the record is locked in S3 from `now` on: `governance:7` is for seven years.

    None for `none`.

    Raises
    ------
    ConfigError
        For anything else.
    """
    if (lock := LOCK.fullmatch(text)) is None:
        raise ConfigError(f"lock: expected {LOCKS}, got {text!r}")
    if text == NO_LOCK:
        return None
    return Lock(lock["mode"].upper(), now + timedelta(days=366 * int(lock["years"])))


def parse_sse(text: str) -> dict[str, str]:
    """Return what a put says so that S3 encrypts as in `text`; for `none` the bucket decides.

    Raises
    ------
    ConfigError
        For anything else than `none`, `aes256`, `kms` or `kms:KEY`.
    """
    if (sse := SSE.fullmatch(text)) is None:
        raise ConfigError(f"sse: expected {SSES}, got {text!r}")
    if text == NO_SSE:
        return {}
    if sse["aes"]:
        return {"ServerSideEncryption": "AES256"}
    key = {"SSEKMSKeyId": sse["key"]} if sse["key"] else {}
    return {"ServerSideEncryption": "aws:kms", **key}
