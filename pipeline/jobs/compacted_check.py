"""Compacted check: whether the files that readers like say what their originals say."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence

from pipeline.encoding import sha256
from pipeline.errors import StoreError
from pipeline.jobs.chain_check import Finding, Problem
from pipeline.jobs.compacted_table import SOURCES, encode, may_hold
from pipeline.ports import ObjectStore, Tables
from pipeline.record.keys import COMPACT

OTHERWISE = "not what its originals say; forecaster compact makes it again"


def check_compacted(
    store: ObjectStore,
    tables: Tables,
    keys: Sequence[str],
    objects: Collection[tuple[str, str]],
) -> Iterator[Finding]:
    """Yield the compacted files that say something else than the originals they name.

    One that lacks what came since is no finding: `forecaster compact --check` tells.

    Parameters
    ----------
    objects : (key, sha256) of all that manifests name
    """
    for key in keys:
        if key.startswith(COMPACT) and not _is_faithful(store, tables, key, objects):
            yield Finding(Problem.CHANGED, key, OTHERWISE)


def _is_faithful(
    store: ObjectStore, tables: Tables, key: str, objects: Collection[tuple[str, str]]
) -> bool:
    _, table, folder, _ = key.split("/")
    month, stored = folder.removeprefix("month="), store.read(key) or b""
    try:
        named = json.loads(tables.decode(table, stored)[1][SOURCES])
        contents = {source: (named[source], store.read(source) or b"") for source in named}
        ours = all(
            (source, digest) in objects
            and may_hold(table, month, source)
            and sha256(data) == digest
            for source, (digest, data) in contents.items()
        )
        return ours and encode(tables, table, month, contents)[0] == stored
    except (StoreError, LookupError, TypeError, ValueError, AttributeError):
        return False
