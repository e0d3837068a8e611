"""API keys: only their digests are deployed; a key itself is known to its holder alone."""

from __future__ import annotations

import base64
import binascii
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


def read_password(authorization: str) -> str:
    """Return the password of an Authorization header of HTTP Basic (RFC 7617), `` for none.

    A browser that is asked for a name and a password sends both so; any name will do.
    """
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        pair = base64.b64decode(credentials.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        return ""
    return pair.partition(":")[2]
