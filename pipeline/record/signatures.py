"""Signatures: who holds the key signs each manifest, beside it, before it is there.

A signature lies under a key that the signed bytes determine. What a dead run has signed is thus
never in the way of a later one whose manifest has other bytes.
"""

from __future__ import annotations

from pipeline.encoding import sha256
from pipeline.errors import DamagedObject
from pipeline.ports import ObjectStore, Signer
from pipeline.record.keys import RUNS, signature_key
from pipeline.record.part import Write
from pipeline.record.terms import read_terms


def read_public_key(store: ObjectStore) -> str | None:
    """Return the public key, in hex, that a store is signed for; None where it is unsigned.

    Raises
    ------
    StoreError
        When what lies in its place is not readable.
    """
    terms = read_terms(store)
    return terms.public_key if terms else None


def with_signatures(signer: Signer | None, write: Write) -> Write:
    """Return what writes as `write` does, but each manifest's signature before the manifest."""
    if signer is None:
        return write

    def write_signed(key: str, data: bytes) -> bytes:
        if key.startswith(RUNS):
            _write_signature(write, signer, data)
        return write(key, data)

    return write_signed


def _write_signature(write: Write, signer: Signer, manifest: bytes) -> None:
    key, signature = signature_key(sha256(manifest)), signer.sign(manifest)
    if write(key, signature) != signature:
        raise DamagedObject(
            f"{key}: expected nothing or our signature there, found other bytes",
            key,
            sha256(signature),
            signature,
        )
