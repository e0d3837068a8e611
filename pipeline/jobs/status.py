"""Status: the record as it stands now, for whoever runs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from pipeline.errors import StoreError
from pipeline.ports import Calendar, ObjectStore
from pipeline.record.chain import find_head
from pipeline.record.grammar import list_keys
from pipeline.record.keys import RUNS, session_of
from pipeline.record.manifest import join_notes, last_statuses, read_manifests
from pipeline.record.notes import Note
from pipeline.record.signatures import read_public_key
from pipeline.record.state import read_state
from pipeline.views.figures import TrackRecord
from pipeline.views.track_record import build_track_record


@dataclass(frozen=True, slots=True)
class Status:
    """The newest session, how far it lags, and the track record.

    Attributes
    ----------
    lag_sessions : sessions closed since the newest one on the record
    stale : whether there are any, so that the published forecasts are old
    missing : sessions since the first one on the record that are not on it
    tickers : ticker -> `ok` or `withheld:<reason>` in the newest session
    record : what track_record.json says
    public_key : whose holder signed the record, None where it is unsigned
    notes : what a reader of the newest session's forecasts must know
    """

    session: date
    lag_sessions: int
    missing: tuple[date, ...]
    tickers: Mapping[str, str]
    record: TrackRecord
    public_key: str | None
    notes: tuple[Note, ...]
    stale: bool


def read_status(store: ObjectStore, calendar: Calendar, now: datetime) -> Status:
    """Return the status of a store at `now`, an aware datetime.

    Raises
    ------
    StoreError
        When nothing is on the record, or its newest objects are not what manifests name.
    """
    link = find_head(store)
    if link is None:
        raise StoreError(f"expected a record at {store.url('runs')}, found none")
    session, closed = link.manifest.session, calendar.last_closed(now)
    runs, lag = read_manifests(store, session), _count_sessions_between(calendar, session, closed)
    return Status(
        session=session,
        lag_sessions=lag,
        missing=_find_missing(store, calendar, session),
        tickers=last_statuses(runs),
        record=build_track_record(read_state(store, link.manifest), link),
        public_key=read_public_key(store),
        notes=join_notes(runs),
        stale=lag > 0,
    )


def _find_missing(store: ObjectStore, calendar: Calendar, newest_session: date) -> tuple[date, ...]:
    recorded = set(map(session_of, list_keys(store, RUNS)))
    sessions = calendar.between(min(recorded), newest_session)
    return tuple(session for session in sessions if session not in recorded)


def _count_sessions_between(calendar: Calendar, session: date, closed: date) -> int:
    return sum(later > session for later in calendar.between(session, closed))
