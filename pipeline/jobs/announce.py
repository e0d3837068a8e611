"""Announce: tell others of what was published, at least once, and seldom twice.

An event goes out for the newest part of a session once its views are written. Which part was told
of last is noted in the store afterwards, so that a run that dies in between leaves it to the next
one to tell of it again; who must not act twice looks at the manifest's digest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from pipeline.encoding import sha256, to_json
from pipeline.jobs.daily_summary import Summary
from pipeline.ports import Announcement, Announcer, ObjectStore, Tables
from pipeline.record.keys import ANNOUNCED
from pipeline.record.manifest import RunManifest
from pipeline.views.digest import write_digest
from pipeline.views.session import read_session

PUBLISHED, WITHHELD = "Forecasts published", "Forecasts withheld"


class Announced(msgspec.Struct, frozen=True):
    """announced.json: the manifest that was told of last."""

    key: str
    sha256: str


def announce(
    announcers: Sequence[Announcer], store: ObjectStore, tables: Tables, summary: Summary
) -> bool:
    """Tell of the newest part of the run's session, unless it was told of; whether it was now.

    Raises
    ------
    DeploymentError
        When an announcer fails; the next run tells of the part again, by all of them.
    StoreError
        When the store fails.
    """
    if not summary.manifests or not announcers:
        return False
    newest = summary.manifests[-1]
    mark = to_json(Announced(newest.key, sha256(to_json(newest))))
    if store.read(ANNOUNCED) == mark:
        return False
    digest = write_digest(read_session(store, tables, newest.session), summary.realised)
    detail = describe_part(summary, newest) | {"store": store.url("").rstrip("/"), "digest": digest}
    name = PUBLISHED if newest.published else WITHHELD
    announcement = Announcement(name, detail, f"{name}: {newest.session}", digest)
    for announcer in announcers:
        announcer.tell(announcement)
    store.replace(ANNOUNCED, mark)
    return True


def describe_part(summary: Summary, part: RunManifest) -> dict[str, Any]:
    """Return what an event says of a part; infra/event.schema.json describes the whole."""
    return {
        "session": part.session.isoformat(),
        "mode": part.mode.value,
        "source": part.source,
        "published": sorted(part.published),
        "withheld": dict(summary.withheld),
        "surprises": list(summary.surprises),
        "manifest": {"key": part.key, "sha256": sha256(to_json(part))},
    }
