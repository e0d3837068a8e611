"""Signatures: who holds the key signs each manifest, beside it, before it is there.

A signature lies under a key that the signed bytes determine. What a dead run has signed is thus
never in the way of a later one whose manifest has other bytes.
"""

from __future__ import annotations

import msgspec

from pipeline.encoding import sha256, to_json
from pipeline.errors import StoreError
from pipeline.ports import ObjectStore, Signer
from pipeline.record.keys import CLAIMS, RUNS, STORE, claim_key, signature_key
from pipeline.record.manifest import create_or_adopt
from pipeline.record.part import Write


def read_public_key(store: ObjectStore) -> str | None:
    """Return the public key, in hex, that a store is signed for; None where it is unsigned.

    Raises
    ------
    StoreError
        When what lies in its place is not readable.
    """
    data = store.read(STORE)
    return None if data is None else _decode_public_key(data, store.url(STORE))


def check_signer(store: ObjectStore, signer: Signer | None) -> None:
    """Raise StoreError where a record goes on with another key than it began with, or without."""
    expected = read_public_key(store)
    if expected is None and signer is not None and not _is_begun(store):
        return
    _compare(store, expected, signer)


def with_signatures(store: ObjectStore, signer: Signer | None, write: Write) -> Write:
    """Return what writes as `write` does, but each manifest's signature before the manifest.

    The public key becomes part of the store before its first claim.
    """
    if signer is None:
        return write

    def write_signed(key: str, data: bytes) -> bytes:
        if key == claim_key(None):
            _fix_public_key(store, signer)
        if key.startswith(RUNS):
            _write_signature(write, signer, data)
        return write(key, data)

    return write_signed


def _is_begun(store: ObjectStore) -> bool:
    return store.read(STORE) is not None or bool(store.keys(RUNS) or store.keys(CLAIMS))


def _write_signature(write: Write, signer: Signer, manifest: bytes) -> None:
    key, signature = signature_key(sha256(manifest)), signer.sign(manifest)
    if write(key, signature) != signature:
        raise StoreError(f"{key}: expected nothing or our signature there, found other bytes")


def _fix_public_key(store: ObjectStore, signer: Signer) -> None:
    stored = create_or_adopt(store, STORE, to_json(_Terms(signer.public_key)))
    _compare(store, _decode_public_key(stored, store.url(STORE)), signer)


def _compare(store: ObjectStore, expected: str | None, signer: Signer | None) -> None:
    received = signer.public_key if signer else None
    if expected != received:
        raise StoreError(
            f"{store.url(STORE)}: expected public key {expected or 'none'} to go on with the "
            f"record, got {received or 'none'}; another key needs another store"
        )


class _Terms(msgspec.Struct):
    public_key: str | None = None


def _decode_public_key(data: bytes, where_from: str) -> str | None:
    try:
        return msgspec.json.decode(data, type=_Terms).public_key
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise StoreError(f"{where_from}: expected the terms of a store, got {exc}") from exc
