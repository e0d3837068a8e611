"""Signature check: whether the holder of the key signed every manifest."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.encoding import sha256
from pipeline.errors import StoreError
from pipeline.jobs.chain_check import Finding, Problem
from pipeline.ports import CheckSignature, ObjectStore
from pipeline.record.keys import STORE, signature_key
from pipeline.record.signatures import read_public_key


@dataclass(frozen=True, slots=True)
class SignatureCheck:
    """What manifests are checked against: the key that the user has kept, or else the store's."""

    store: ObjectStore
    public_key: str
    is_signed: CheckSignature

    def check(self, key: str, manifest: bytes | None) -> Finding | None:
        """Return what is wrong with the signature of the manifest under `key`."""
        if manifest is None:
            return None
        signature = self.store.read(signature_key(sha256(manifest)))
        expected = f"expected a signature by the holder of {self.public_key}"
        if signature is None:
            return Finding(Problem.UNSIGNED, key, f"{expected}, found none")
        if not self.is_signed(self.public_key, signature, manifest):
            return Finding(Problem.UNSIGNED, key, f"{expected}, got one that is not")
        return None


def compare_public_keys(
    store: ObjectStore, kept: str | None
) -> tuple[str | None, tuple[Finding, ...]]:
    """Return the key that counts, None for none, and what is wrong with the store's.

    Parameters
    ----------
    kept : the public key that the user has kept, None without one
    """
    try:
        stored = read_public_key(store)
    except StoreError:  # the check of the terms names it
        return kept, ()
    if kept is None or stored == kept:
        return stored, ()
    message = f"expected public key {kept}, got {stored or 'none: it says it is unsigned'}"
    return kept, (Finding(Problem.CHANGED, STORE, message),)
