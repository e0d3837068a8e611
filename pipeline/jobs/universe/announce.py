"""Announce a universe: one event for a session, once its shards are gathered.

As of a part, which was told of last is noted in the store afterwards: told at least once, and
seldom twice.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.encoding import sha256, to_json
from pipeline.ports import Announcement, Announcer, ObjectStore
from pipeline.record.universe_session import ANNOUNCED, FEW, UniverseSession

PUBLISHED, INCOMPLETE = "Universe published", "Universe incomplete"


def announce_universe(
    announcers: Sequence[Announcer], root: ObjectStore, gathered: UniverseSession
) -> bool:
    """Tell of a gathered session, unless it was told of as it is; whether it was now.

    Raises
    ------
    DeploymentError
        When an announcer fails; the next gathering tells of it again, by all of them.
    StoreError
        When the store fails.
    """
    if not announcers or not gathered.gathered:
        return False
    manifest = {"key": gathered.key, "sha256": sha256(to_json(gathered))}
    mark = to_json(manifest)
    if root.read(ANNOUNCED) == mark:
        return False
    digest = write_universe_digest(gathered)
    detail = {
        "session": gathered.session.isoformat(),
        "published": gathered.published,
        "withheld": dict(gathered.withheld),
        "shards": len(gathered.gathered),
        "absent": len(gathered.absent),
        "manifest": manifest,
        "store": root.url("").rstrip("/"),
        "digest": digest,
    }
    name = INCOMPLETE if gathered.absent else PUBLISHED
    subject = f"{name}: {gathered.session}"
    for announcer in announcers:
        announcer.tell(Announcement(name, detail, subject, digest))
    root.replace(ANNOUNCED, mark)
    return True


def write_universe_digest(gathered: UniverseSession) -> str:
    """Return a universe's session in a few lines of plain text."""
    lines = [
        f"Forecasts from the close of {gathered.session}: {gathered.published:,} tickers in "
        f"{len(gathered.gathered):,} shards"
    ]
    if gathered.withheld:
        reasons = (f"{n:,} {reason}" for reason, n in gathered.withheld.items())
        lines.append(f"Withheld: {', '.join(reasons)}")
    if gathered.absent:
        lines.append(f"Without the session: {', '.join([*gathered.absent][:FEW])}")
    return "\n".join([*lines, f"Record: {gathered.key}"])
