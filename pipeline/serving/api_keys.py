"""API keys: only their digests are deployed; a key itself is known to its holder alone."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from hashlib import sha256

PREFIX = "fcast_"


def make_key() -> str:
    """Return a new random key of 256 bits; the prefix lets scanners of leaked secrets find it."""
    import secrets  # noqa: PLC0415

    return PREFIX + secrets.token_urlsafe(32)


def digest_key(key: str) -> str:
    """Return the SHA-256 of a key in hex, which does not betray a random key."""
    return sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def is_accepted(key: str, digests: Iterable[str]) -> bool:
    """Whether the key is one of those with these digests, in a time that does not tell which."""
    received = digest_key(key)
    # Each digest is compared, also after one that fits.
    return sum(hmac.compare_digest(received, accepted) for accepted in digests) > 0
