"""Views: what is served of the newest session, made again from the record after every run."""

from __future__ import annotations

from pipeline.encoding import to_json
from pipeline.ports import ObjectStore, Tables
from pipeline.record.chain import find_head
from pipeline.record.keys import DASHBOARD, LATEST, TRACK_RECORD
from pipeline.record.state import read_state
from pipeline.views.dashboard import render_dashboard
from pipeline.views.latest import build_latest
from pipeline.views.track_record import build_track_record


def refresh_views(store: ObjectStore, tables: Tables) -> None:
    """Make every view show the newest session on the record.

    Writes, then looks again: of two runs at once, the one that writes last also looks last, so
    neither leaves behind a view without the other's part.
    """
    while changed := _find_changed(store, tables):
        for key, view in changed.items():
            store.replace(key, view)


def _find_changed(store: ObjectStore, tables: Tables) -> dict[str, bytes]:
    views = build_views(store, tables)
    return {key: view for key, view in views.items() if store.read(key) != view}


def build_views(store: ObjectStore, tables: Tables) -> dict[str, bytes]:
    """Return the views as the record has them, key -> bytes; none where the record is empty."""
    link = find_head(store)
    if link is None:
        return {}
    state = read_state(store, link.manifest)
    latest = build_latest(store, tables, link.manifest.session)
    record = build_track_record(state, link)
    return {
        LATEST: to_json(latest),
        TRACK_RECORD: to_json(record),
        DASHBOARD: render_dashboard(latest, record),
    }
