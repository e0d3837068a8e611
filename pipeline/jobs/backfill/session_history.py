"""Session history: the exchange's sessions around a span, looked up once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Self

from pipeline.errors import RequestError
from pipeline.ports import Calendar
from pipeline.record.vintage import HISTORY_SESSIONS

MAX_HORIZON = 5


@dataclass(frozen=True, slots=True)
class SessionHistory:
    """The exchange's sessions, from the first one needed to those after the last."""

    sessions: Sequence[date]
    last: date

    @classmethod
    def of(cls, calendar: Calendar, first: date, last: date) -> Self:
        """Return the sessions that parts from `first` to `last`, a session, need."""
        inside = calendar.between(first, last)
        before = calendar.ending((inside or [last])[0], HISTORY_SESSIONS)
        return cls([*before[:-1], *inside, *calendar.following(last, MAX_HORIZON)], last)

    def sessions_from(self, first: date) -> list[date]:
        """Return the sessions from `first` to the last; raises RequestError without one."""
        sessions = [session for session in self.sessions if first <= session <= self.last]
        if not sessions:
            raise RequestError(f"expected a session from {first} to {self.last}, got none")
        return sessions

    def expected(self, session: date) -> Sequence[date]:
        """Return the sessions up to one that its vintage covers."""
        end = bisect_right(self.sessions, session)
        return self.sessions[end - HISTORY_SESSIONS : end]

    def following(self, session: date, n: int) -> tuple[date, ...]:
        """Return the n sessions after one."""
        end = bisect_right(self.sessions, session)
        return tuple(self.sessions[end : end + n])
