"""Status: the record as it stands now, for whoever runs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from pipeline.errors import StoreError
from pipeline.ports import Calendar, ObjectStore
from pipeline.record.chain import newest
from pipeline.record.manifest import RunManifest, committed
from pipeline.record.state import read_state
from pipeline.views.track_record import track_record

LIVE = "live"


@dataclass(frozen=True, slots=True)
class Status:
    """The newest session, how far it lags, and the track record.

    Attributes
    ----------
    lag_sessions : sessions closed since the newest one on the record
    missing : sessions since the first one on the record that are not on it
    tickers : ticker -> `ok` or `withheld:<reason>` in the newest session
    record : what track_record.json says
    """

    session: date
    lag_sessions: int
    missing: tuple[date, ...]
    tickers: Mapping[str, str]
    record: Mapping[str, Any]

    @property
    def mode(self) -> str:
        """The mode whose figures count: `live` if there are any, else the newest other one."""
        modes: Mapping[str, Any] = self.record["modes"]
        return LIVE if LIVE in modes or not modes else next(iter(modes))


def status(store: ObjectStore, calendar: Calendar, now: datetime) -> Status:
    """Return the status of a store at `now`, an aware datetime.

    Raises
    ------
    StoreError
        When nothing is on the record, or its newest objects are not what manifests name.
    """
    link = newest(store)
    if link is None:
        raise StoreError(f"expected a record at {store.url('runs')}, found none")
    session, closed = link.manifest.session, calendar.last_closed(now)
    return Status(
        session=session,
        lag_sessions=_sessions_between(calendar, session, closed),
        missing=_missing(store, calendar, session),
        tickers=_tickers(committed(store, session)),
        record=track_record(read_state(store, link.manifest), link),
    )


def _missing(store: ObjectStore, calendar: Calendar, newest_session: date) -> tuple[date, ...]:
    known = {date.fromisoformat(key[len("runs/") :][:10]) for key in store.keys("runs/")}
    return tuple(day for day in calendar.between(min(known), newest_session) if day not in known)


def _tickers(runs: list[RunManifest]) -> dict[str, str]:
    return {ticker: said for run in runs for ticker, said in run.tickers.items()}


def _sessions_between(calendar: Calendar, session: date, closed: date) -> int:
    return sum(one > session for one in calendar.between(session, closed))
