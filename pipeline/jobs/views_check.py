"""Views check: whether what is served shows what the record says."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.jobs.chain_check import Finding, Problem
from pipeline.ports import ObjectStore, Tables
from pipeline.record.chain import find_head
from pipeline.record.keys import HISTORY
from pipeline.views.refresh import build_views, find_believable

MENDED = "not what the record says; the next run mends it"
MADE_ANEW = "not what the record says; forecaster repair makes it again"


def check_views(store: ObjectStore, tables: Tables) -> Iterator[Finding]:
    """Yield the views that are missing or are not what the record says."""
    views = build_views(store, tables, find_head(store), find_believable(store, tables))
    for key, view in (views.objects if views else {}).items():
        stored = store.read(key)
        if stored is None:
            yield Finding(Problem.MISSING, key, "the next run makes it again")
        elif stored != view:
            # A run adds to the history that is there, and believes it unless it is damaged.
            yield Finding(Problem.CHANGED, key, MADE_ANEW if key == HISTORY else MENDED)
