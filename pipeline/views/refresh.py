"""Refresh: the views of the newest session, built again from the record after every run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.encoding import to_json
from pipeline.ports import ObjectStore, Tables
from pipeline.record.chain import Link, find_head
from pipeline.record.grammar import list_keys
from pipeline.record.keys import DASHBOARD, HISTORY, LOSSES, SCENARIOS, TRACK_RECORD
from pipeline.record.manifest import read_manifests
from pipeline.record.state import read_state
from pipeline.views.closes import read_bars
from pipeline.views.figures import TrackRecord
from pipeline.views.history import History, build_history, read_history
from pipeline.views.latest import build_latest, with_width_changes
from pipeline.views.page.render import render_page
from pipeline.views.page.sources import PageSources
from pipeline.views.pages import split_pages
from pipeline.views.scenario_cubes import build_scenario_view
from pipeline.views.track_record import build_track_record
from pipeline.views.width_change import read_width_changes


@dataclass(frozen=True, slots=True)
class Views:
    """The views as the record has them: key -> bytes, and the track record among them."""

    objects: Mapping[str, bytes]
    record: TrackRecord


def refresh_views(store: ObjectStore, tables: Tables, *, anew: bool = False) -> TrackRecord | None:
    """Make every view show the newest session on the record, and return the track record.

    What is made `anew` follows from the record alone; else the history that is there is believed
    and added to, which costs the same after ten years.

    Writes, then looks again: of two runs at once, the one that writes last also looks last, so
    neither leaves behind a view without the other's part. What it writes is made once a head.
    """

    def build(head: Link | None) -> Views | None:
        known = find_believable(store, tables) if anew else read_history(store)
        return build_views(store, tables, head, known)

    head = find_head(store)
    views = build(head)
    while views is not None:
        stale = [key for key, view in views.objects.items() if store.read(key) != view]
        if not stale:
            return views.record
        for key in stale:
            store.replace(key, views.objects[key])
        if (newest := find_head(store)) != head:
            head, views = newest, build(newest)
    return None


def build_views(
    store: ObjectStore, tables: Tables, head: Link | None, known: History | None
) -> Views | None:
    """Return the views of the record up to `head`, None where there is nothing on it.

    A `known` history is added to; without one all that it holds is read again.
    """
    if head is None:
        return None
    runs = read_manifests(store, head.manifest.session)
    changes = read_width_changes(store, tables, head, runs)
    latest = with_width_changes(build_latest(store, tables, head.manifest.session), changes)
    record = build_track_record(read_state(store, head.manifest), head)
    history = build_history(store, tables, head, latest.tickers, known)
    scenarios = build_scenario_view(store, tables, latest, runs)
    bars = read_bars(store, tables, runs)
    sources = PageSources(latest, record, history.tickers, bars, runs, scenarios)
    objects = {
        **{key: to_json(page) for key, page in split_pages(latest).items()},
        TRACK_RECORD: to_json(record),
        HISTORY: history.encode(),
        SCENARIOS: scenarios.encode(),
        DASHBOARD: render_page(sources),
    }
    return Views(objects, record)


def find_believable(store: ObjectStore, tables: Tables) -> History | None:
    """Return the stored history where it may know of scores that were lost since, else None."""
    head, stored = find_head(store), read_history(store)
    if head is None or stored is None or not list_keys(store, LOSSES):
        return None
    readable = build_history(store, tables, head, stored.tickers)
    return stored if stored.vouches_for(readable) else None
