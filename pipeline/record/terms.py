"""Terms: what a store is begun with and keeps for good, in `store.json`.

The first publication creates it where nothing is, right before its claim. Whoever publishes later
compares: a source, a calendar or a public key that is another needs another store.
"""

from __future__ import annotations

import msgspec

from pipeline.encoding import from_json, to_json
from pipeline.errors import StoreError
from pipeline.ports import ObjectStore
from pipeline.record.chain import Link, find_head
from pipeline.record.claims import read_claim
from pipeline.record.grammar import list_keys
from pipeline.record.keys import CLAIMS, RUNS, STORE, UNIVERSE, claim_key
from pipeline.record.manifest import check_version
from pipeline.record.objects import create_or_adopt, read_decoded
from pipeline.record.part import Write

# In the words of a refusal.
FIELDS = {"source": "source", "calendar": "calendar", "public_key": "public key"}
TABLES = ("forecasts/", "baselines/", "scores/", "calibration/")
RESTORE = "restore it from a copy or from the bucket's versions, or use another store"


class StoreTerms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What all parts of a record have in common.

    `source` is its label, `calendar` the exchange's name, `public_key` the hex of the Ed25519 key
    that manifests are signed for, None where they are not.
    """

    schema_version: int
    source: str
    calendar: str
    public_key: str | None = None

    def encode(self) -> bytes:
        """Return the terms as JSON; equal terms give equal bytes."""
        return to_json(self)


def read_terms(store: ObjectStore) -> StoreTerms | None:
    """Return the terms of a store, None where nothing was published; StoreError if they are none.

    Those of another schema are refused.
    """
    return read_decoded(store, STORE, decode_terms)


def decode_terms(data: bytes, where_from: str) -> StoreTerms:
    """Return the terms in `data`; raises StoreError if they are none, or of another schema."""
    check_version(data, where_from)
    return from_json(data, StoreTerms, where_from, "the terms of a store")


def check_terms(store: ObjectStore, terms: StoreTerms) -> Link | None:
    """Return the newest link of a store whose record may go on by `terms`; None for a new one.

    Raises
    ------
    StoreError
        When another source, calendar, key or schema began the record, what shows that there was
        one is there without its terms or its manifests, or the store does not keep what it has.
    """
    head = find_head(store)
    stored = store.read(STORE)  # after it, for they are written before it
    if stored is not None:
        _compare(store, decode_terms(stored, store.url(STORE)), terms)
        _check_kept(store, stored)
    if head is not None and stored is None:
        raise StoreError(
            f"expected {store.url(STORE)} beside the record up to {head.manifest.session}, found "
            f"none: {RESTORE}"
        )
    if head is None:
        _check_new(store)
    return head


def fix_terms(store: ObjectStore, terms: StoreTerms) -> None:
    """Store the terms of a record that begins.

    Raises
    ------
    StoreError
        When another began it meanwhile, or the store does not keep what it has.
    """
    stored = create_or_adopt(store, STORE, terms.encode())
    _compare(store, decode_terms(stored, store.url(STORE)), terms)
    _check_kept(store, stored)


def with_terms(store: ObjectStore, terms: StoreTerms, write: Write) -> Write:
    """Return what writes as `write` does, but fixes the terms before a record's first claim."""

    def write_after_terms(key: str, data: bytes) -> bytes:
        if key == claim_key(None):
            fix_terms(store, terms)
        return write(key, data)

    return write_after_terms


def _compare(store: ObjectStore, stored: StoreTerms, terms: StoreTerms) -> None:
    for name, words in FIELDS.items():
        expected, received = getattr(stored, name), getattr(terms, name)
        if expected != received:
            empty = (
                ""
                if list_keys(store, CLAIMS)
                else "; nothing was published in it: it may be deleted"
            )
            raise StoreError(
                f"{store.url(STORE)}: expected {words} {expected or 'none'} to go on with the "
                f"record, got {received or 'none'}; another {words} needs another store{empty}"
            )


def _check_kept(store: ObjectStore, stored: bytes) -> None:
    """Raise StoreError if what is there can be created again: S3 servers there are that overwrite.

    Tried with equal bytes, so that nothing changes where it can.
    """
    if store.create(STORE, stored):
        raise StoreError(
            f"{store.url(STORE)}: expected the store to refuse what is there already, it took it "
            "again: it ignores If-None-Match, so that nothing in it would be safe; use another "
            "store (docs/operations.md#other-s3-servers)"
        )


def _check_new(store: ObjectStore) -> None:
    """Raise StoreError where what lies in a store without manifests shows that it had some.

    A first run that died leaves its claim at most, and what its part has written since. What is
    looked up after the listing is there if what follows it is in the listing.
    """
    if store.read(UNIVERSE) is not None:
        raise StoreError(
            f"{store.url(UNIVERSE)}: expected a store of a record, found one of a universe, whose "
            "records are in its shards; say the universe, or another store"
        )
    listed = list_keys(store, "")
    claim = read_claim(store, None)
    claimed = str(claim.session) if claim else None
    lost = [key for key in listed if key.startswith(CLAIMS) and key != claim_key(None)]
    lost += [key for key in listed if key.startswith(TABLES) and _session_of(key) != claimed]
    if lost and find_head(store) is None:
        raise StoreError(
            f"expected manifests in {store.url(RUNS)}, for {lost[0]} is of a record that was "
            f"begun, found none: {RESTORE}"
        )
    if claim is not None and store.read(STORE) is None:
        raise StoreError(f"expected {store.url(STORE)} beside a claim, found none: {RESTORE}")


def _session_of(key: str) -> str:
    """Return the session that an object belongs to, whatever its number."""
    return key.rpartition("/")[2].partition(".")[0]
