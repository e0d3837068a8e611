"""Views check: whether what is served shows what the record says."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.jobs.chain_check import Finding, Problem
from pipeline.ports import ObjectStore, Tables
from pipeline.record.chain import find_head
from pipeline.record.grammar import list_keys
from pipeline.record.keys import HISTORY, LOSSES
from pipeline.views.history import History, build_history, read_history
from pipeline.views.refresh import build_views

MENDED = "not what the record says; the next run mends it"
MADE_ANEW = "not what the record says; delete it and the next run makes it again"


def check_views(store: ObjectStore, tables: Tables) -> Iterator[Finding]:
    """Yield the views that are missing or are not what the record says."""
    views = build_views(store, tables, find_head(store), _find_believable(store, tables))
    for key, view in (views.objects if views else {}).items():
        stored = store.read(key)
        if stored is None:
            yield Finding(Problem.MISSING, key, "the next run makes it again")
        elif stored != view:
            # A run adds to the history that is there, and believes it unless it is damaged.
            yield Finding(Problem.CHANGED, key, MADE_ANEW if key == HISTORY else MENDED)


def _find_believable(store: ObjectStore, tables: Tables) -> History | None:
    """Return the stored history where it may know of scores that were lost since, else None."""
    head, stored = find_head(store), read_history(store)
    if head is None or stored is None or not list_keys(store, LOSSES):
        return None
    readable = build_history(store, tables, head, stored.tickers)
    return stored if stored.vouches_for(readable) else None
