"""Claims: which part follows a manifest, fixed before anything is computed from what is before it.

A claim lies under a key that only the manifest before determines, and is created where nothing
is: of the parts that want to follow a manifest exactly one does. What it names, a vintage and a
bundle, is stored by then, so that whoever comes next can finish a part whose run died.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import msgspec

from pipeline.encoding import Horizons, Number, from_json, to_json
from pipeline.errors import StoreError
from pipeline.ports import ObjectStore
from pipeline.record.chain import Link
from pipeline.record.keys import BUNDLES, claim_key, table_key
from pipeline.record.manifest import RunManifest


class Claim(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a part is made from, beside the record before it.

    `previous` is the sha256 of the manifest it follows, None for the first; `objects` maps the
    keys of vintage and bundle to sha256, `healed` and `lost` those of earlier objects that were
    damaged, as the part's manifest says.
    """

    previous: str | None
    session: date
    part: Number
    horizons: Horizons
    model_version: str
    objects: Mapping[str, str]
    healed: Mapping[str, str] = {}
    lost: Mapping[str, str] = {}

    @property
    def key(self) -> str:
        return claim_key(self.previous)

    def table(self, name: str) -> str:
        """Return the key of the part's table of that name."""
        return table_key(name, self.session, self.part)

    def encode(self) -> bytes:
        """Return the claim as JSON; equal claims give equal bytes."""
        return to_json(self)


def claim_of(run: RunManifest) -> Claim:
    """Return the claim that the part of a manifest began with."""
    return Claim(
        previous=run.previous,
        session=run.session,
        part=run.part,
        horizons=run.horizons,
        model_version=run.model_version,
        objects={
            key: digest
            for key, digest in run.objects.items()
            if key == run.table("bars") or key.startswith(BUNDLES)
        },
        healed=run.healed,
        lost=run.lost,
    )


def read_claim(store: ObjectStore, head: Link | None) -> Claim | None:
    """Return the claim to follow `head`, None without one; raises StoreError if it is none."""
    key = claim_key(head.digest if head else None)
    data = store.read(key)
    try:
        return None if data is None else decode_claim(data, store.url(key))
    except StoreError as exc:
        raise StoreError(f"{exc}. Put it back, or take it away by hand while nobody runs") from exc


def decode_claim(data: bytes, where_from: str) -> Claim:
    """Return the claim in `data`; raises StoreError if it is none."""
    return from_json(data, Claim, where_from, "a claim")
