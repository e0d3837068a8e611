"""Ed25519 signatures (RFC 8032), by cryptography: equal bytes are signed by equal bytes."""

from __future__ import annotations

from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from pipeline.errors import ConfigError


class Ed25519Signer:
    """Signs with a private key; fulfils `pipeline.ports.Signer`.

    Parameters
    ----------
    pem : the key as `make_private_key` gives it
    where_from : what it is called in an error, which never shows the key

    Raises
    ------
    ConfigError
        When `pem` is no such key.
    """

    def __init__(self, pem: bytes, where_from: str) -> None:
        try:
            key = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):  # TypeError: it has a password
            key = None
        if not isinstance(key, Ed25519PrivateKey):
            raise ConfigError(
                f"{where_from}: expected an Ed25519 private key in PEM without a password, as "
                "forecaster key new makes it, got something else"
            )
        self._key = key
        self.public_key = key.public_key().public_bytes_raw().hex()

    def sign(self, data: bytes) -> bytes:
        return self._key.sign(data)


def make_private_key() -> bytes:
    """Return a new private key in PEM."""
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def read_signer(path: Path, or_else: str) -> Ed25519Signer:
    """Return what signs with the private key in a file; `or_else` says where else one may be.

    Raises ConfigError where there is none.
    """
    try:
        return Ed25519Signer(path.read_bytes(), str(path))
    except OSError as exc:
        raise ConfigError(
            f"key: expected a file with a private key or {or_else}, got {str(path)!r}: "
            f"{exc.strerror}"
        ) from exc


def is_signed(public_key: str, signature: bytes, data: bytes) -> bool:
    """Whether `data` was signed so with the private key that belongs to `public_key`, in hex."""
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key)).verify(signature, data)
    except (InvalidSignature, ValueError):  # ValueError: no public key
        return False
    return True
