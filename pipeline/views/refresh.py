"""Views: what is served of the newest session, made again from the record after every run."""

from __future__ import annotations

from pipeline.encoding import to_json
from pipeline.ports import ObjectStore, Tables
from pipeline.record.chain import Link, newest
from pipeline.record.keys import DASHBOARD, LATEST, TRACK_RECORD
from pipeline.record.state import read_state
from pipeline.views.dashboard import dashboard
from pipeline.views.latest import latest_view
from pipeline.views.track_record import track_record


def refresh_views(store: ObjectStore, tables: Tables) -> None:
    """Make every view show the newest session on the record.

    Writes, then looks again: of two runs at once, the one that writes last also looks last, so
    neither leaves behind a view without the other's part. What it writes is made once a head.
    """
    head = newest(store)
    views = _made(store, tables, head)
    while changed := {key: view for key, view in views.items() if store.read(key) != view}:
        for key, view in changed.items():
            store.replace(key, view)
        if (now := newest(store)) != head:
            head, views = now, _made(store, tables, now)


def views_of(store: ObjectStore, tables: Tables) -> dict[str, bytes]:
    """Return the views as the record has them, key -> bytes; none where the record is empty."""
    return _made(store, tables, newest(store))


def _made(store: ObjectStore, tables: Tables, link: Link | None) -> dict[str, bytes]:
    if link is None:
        return {}
    state = read_state(store, link.manifest)
    latest = latest_view(store, tables, link.manifest.session)
    record = track_record(state, link)
    return {
        LATEST: to_json(latest),
        TRACK_RECORD: to_json(record),
        DASHBOARD: dashboard(latest, record),
    }
