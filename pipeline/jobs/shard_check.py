"""Shard check: whether a store that says it is a shard of a universe holds that shard's tickers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline.encoding import to_json
from pipeline.errors import StoreError
from pipeline.jobs.chain_check import Finding, Problem
from pipeline.ports import ObjectStore
from pipeline.record.keys import SHARD
from pipeline.record.manifest import RunManifest
from pipeline.record.sharding import assign_shard
from pipeline.record.universe_terms import decode_shard_terms


def check_shard(store: ObjectStore, runs: Sequence[RunManifest]) -> Iterator[Finding]:
    """Yield what is wrong with the terms of a shard; a store without any is no shard."""
    data = store.read(SHARD)
    if data is None:
        return
    try:
        terms = decode_shard_terms(data, SHARD)
    except StoreError as exc:
        yield Finding(Problem.CHANGED, SHARD, str(exc))
        return
    recorded = {ticker for run in runs for ticker in run.tickers} - {*terms.moved}
    strangers = [t for t in sorted(recorded) if assign_shard(t, terms.shards) != terms.shard]
    if strangers:
        message = f"it says shard {terms.shard} of {terms.shards}, where {strangers[0]} is not"
        yield Finding(Problem.CHANGED, SHARD, message)
    if to_json(terms) != data:
        yield Finding(Problem.CHANGED, SHARD, "not in the bytes in which terms are written")
