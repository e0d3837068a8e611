"""Remake: a part made from the store alone, for a replay or for a run that died."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import msgspec

from pipeline.errors import ConfigError, Overtaken, StoreError
from pipeline.ports import Calendar, ObjectStore, Signer, Tables
from pipeline.record.chain import Link, read_link
from pipeline.record.claims import Claim, read_claim
from pipeline.record.forecasters import DirectForecaster
from pipeline.record.given_up import GivenUp, publish_nobody
from pipeline.record.keys import STORE, manifest_key, number_prefix
from pipeline.record.manifest import Mode, RunManifest
from pipeline.record.objects import create_or_adopt, read_verified
from pipeline.record.part import Write
from pipeline.record.part_inputs import read_inputs
from pipeline.record.plan import find_plan
from pipeline.record.prior import read_prior_record
from pipeline.record.publish import publish
from pipeline.record.repairs import Repairs, read_loss
from pipeline.record.signatures import with_signatures
from pipeline.record.stored_model import list_other_versions, read_models
from pipeline.record.terms import read_terms
from pipeline.record.vintage import HISTORY_SESSIONS, Vintage


def finish_claimed(
    store: ObjectStore,
    tables: Tables,
    calendar: Calendar,
    head: Link | None,
    signer: Signer | None = None,
    lost: Mapping[str, str] = {},
) -> Link | None:
    """Publish every part that is claimed behind `head` and not there yet; return the newest then.

    None where nothing is on the record. A run that is still at work writes equal bytes. What is
    `lost` is done without; a part that has lost its own vintage or bundle publishes nobody.

    Raises
    ------
    StoreError
        When what a claim names is missing or changed.
    """
    write = with_signatures(signer, partial(create_or_adopt, store))
    while (claim := read_claim(store, head)) is not None:
        try:
            claim = msgspec.structs.replace(claim, lost={**claim.lost, **lost})
            head = remake_part(store, tables, calendar, claim, head, write)
        except Overtaken:  # another run has published it, with objects under other numbers
            link = read_link(store, manifest_key(claim.session, claim.part))
            if link.manifest.previous != claim.previous:
                raise
            head = link
    return head


def at_named_keys(run: RunManifest, write: Write) -> Write:
    """Return what writes as `write` does, but finds every number taken that a manifest goes past.

    So what is made again of a part lies under the keys that its manifest names.
    """

    def write_at_named_key(key: str, data: bytes) -> bytes:
        named = [other for other in run.objects if other.startswith(number_prefix(key))]
        return b"" if named and key not in named else write(key, data)

    return write_at_named_key


def remake_part(
    store: ObjectStore,
    tables: Tables,
    calendar: Calendar,
    named: RunManifest | Claim,
    before: Link | None,
    write: Write,
) -> Link:
    """Make every object of a part from its vintage, its bundle and the record before it.

    It does without what it says is lost.

    Raises
    ------
    StoreError
        When one of them is missing or changed.
    """
    try:
        expected = calendar.ending(named.session, HISTORY_SESSIONS)
        target_dates = tuple(calendar.following(named.session, named.horizons))
    except ConfigError as exc:
        raise StoreError(f"{store.url(named.key)}: it names another calendar's day: {exc}") from exc
    repairs = Repairs(named.healed, named.lost)
    versions = (named.model_version, *list_other_versions(named))
    prior = read_prior_record(store, tables, before, named.session, versions, repairs)
    own = [digest for key, digest in repairs.lost.items() if key in named.objects]
    vintage, data = (
        _give_up(store, named, before, own) if own else _read_vintage(store, tables, named)
    )
    days, reading = (expected, target_dates), (vintage, data)
    inputs = read_inputs(store, tables, named.part, days, reading, prior)
    if own:
        return publish_nobody(inputs, named, tables, write)
    forecaster = DirectForecaster(read_models(store, named))
    return publish(inputs, forecaster, tables, write, claimed=True).link


def _read_vintage(
    store: ObjectStore, tables: Tables, named: RunManifest | Claim
) -> tuple[Vintage, bytes]:
    data = read_verified(store, named, named.table("bars"))
    return Vintage.decode(tables, data), data


def _give_up(
    store: ObjectStore, named: RunManifest | Claim, before: Link | None, lost: Sequence[str]
) -> tuple[Vintage, bytes]:
    """Return a vintage of nobody for a part whose own objects, of these sha256, are lost.

    It belongs to the backfill that issued the part before, if its plan goes so far; else it is
    issued when the loss was accepted.
    """
    run, terms = before.manifest if before else None, read_terms(store)
    plan = find_plan(store, named.session, run.mode, run.issued_at) if run else None
    losses = [loss for digest in lost if (loss := read_loss(store, digest)) is not None]
    if terms is None or len(losses) != len(lost):
        raise StoreError(
            f"{store.url(named.key)}: expected {store.url(STORE)} and the accepted losses of what "
            "it was made from, found not all"
        )
    accepted_at = max(loss.accepted_at for loss in losses)
    mode, issued_at = (Mode.BACKFILL, plan.issued_at) if plan else (Mode.AS_OF, accepted_at)
    return GivenUp(terms.source, mode, issued_at).as_vintage(), b""
