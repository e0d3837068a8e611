"""An exchange's sessions, by exchange_calendars and a file of what it does not know yet."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import exchange_calendars
import numpy as np
from numpy.typing import NDArray

from pipeline.adapters.exchange.closures import CLOSURES, Override, read_overrides
from pipeline.bars import Sessions
from pipeline.errors import ConfigError

# Fixed, so that the same question has the same answer whenever it is asked.
FIRST = date(1990, 1, 1)
LAST = date(2049, 12, 31)
ADVICE = "check the date and the clock; a later exchange_calendars may know of more"
END_OF_DAY = time(23, 59, 59)
DELAY = timedelta(minutes=30)

Instants = NDArray[np.datetime64]


class ExchangeCalendar:
    """The sessions of one exchange; fulfils `pipeline.ports.Calendar`.

    They reach from 1990 to 2049, or as far as the library knows the exchange's holidays.

    Parameters
    ----------
    name : str
        The exchange's code in exchange_calendars: a market identifier code like XNYS, or 24/7.
    delay : timedelta
        A session counts as closed this long after its close, when sources have its bar whole.
    overrides : Path
        File of closures and early closes that the library lacks.

    Raises
    ------
    ConfigError
        For an unknown exchange, a negative delay or an override that makes no sense.
    """

    def __init__(
        self, name: str = "XNYS", delay: timedelta = DELAY, overrides: Path = CLOSURES
    ) -> None:
        if delay < timedelta(0):
            raise ConfigError(f"expected a delay after the close of 0 or more, got {delay}")
        self._delay = delay
        library, self._first, self._last = _load_calendar(name)
        self.name: str = library.name
        self.zone: ZoneInfo = library.tz
        self._sessions: Sessions = library.sessions.to_numpy().astype("datetime64[D]")
        self._closes = _to_instants(library.closes)
        overrides_here = [o for o in read_overrides(overrides) if o.calendar == self.name]
        self._apply_overrides(overrides_here, _to_instants(library.opens))

    def last_closed(self, at: datetime) -> date:
        """Return the newest session whose close plus the delay is not after `at`.

        Raises ConfigError when `at` has no time zone or lies outside the calendar.
        """
        if at.utcoffset() is None:
            raise ConfigError(f"expected a time with its time zone, got {at.isoformat()}")
        edge = at.year in (1, 9999)  # beyond which the day in the zone may lie
        self._refuse_outside(at.date() if edge else at.astimezone(self.zone).date())
        closed = int(np.searchsorted(self._closes, _to_instant(at - self._delay), side="right"))
        return self._slice_sessions(closed - 1, closed, f"the newest one at {at}")[0]

    def ending(self, session: date, n: int) -> list[date]:
        """Return the n sessions up to and including `session`, in order."""
        after = self._find_position(session) + 1
        return self._slice_sessions(after - n, after, f"{n} up to {session}")

    def following(self, session: date, n: int) -> list[date]:
        """Return the n sessions after `session`, in order."""
        after = self._find_position(session) + 1
        return self._slice_sessions(after, after + n, f"{n} after {session}")

    def between(self, first: date, last: date) -> list[date]:
        """Return the sessions from the day `first` to the day `last`, in order."""
        self._refuse_outside(first)
        self._refuse_outside(last)
        inside = (self._sessions >= np.datetime64(first)) & (self._sessions <= np.datetime64(last))
        return list(self._sessions[inside].tolist())

    def end_of(self, day: date) -> datetime:
        """Return when the sessions up to `day` count as closed, and none after it does."""
        end = datetime.combine(day, END_OF_DAY, self.zone)
        if self.between(day, day) == [day]:
            close: datetime = self._closes[self._find_position(day)].item().replace(tzinfo=UTC)
            # One that trades around the clock closes when the next day has begun.
            return max(end, (close + self._delay).astimezone(self.zone))
        return end

    def _find_position(self, day: date) -> int:
        self._refuse_outside(day)
        at = int(np.searchsorted(self._sessions, np.datetime64(day, "D"), side="right")) - 1
        newest = self._slice_sessions(at, at + 1, f"the newest one on {day}")[0]
        if newest != day:
            raise ConfigError(f"expected a session of {self.name}, got {day}; before it: {newest}")
        return at

    def _slice_sessions(self, start: int, stop: int, wanted: str) -> list[date]:
        if not 0 <= start <= stop <= len(self._sessions):
            raise ConfigError(
                f"expected 0 or more sessions of {self.name} from {self._first} to {self._last}, "
                f"got a request for {wanted} that reaches beyond; {ADVICE}"
            )
        cut: list[date] = self._sessions[start:stop].tolist()
        return cut

    def _refuse_outside(self, day: date) -> None:
        if not self._first <= day <= self._last:
            raise ConfigError(
                f"expected a day of {self.name} from {self._first} to {self._last}, got {day}; "
                f"{ADVICE}"
            )

    def _apply_overrides(self, overrides: list[Override], opens: Instants) -> None:
        for override in overrides:
            self._refuse_outside(override.date)
            if override.close is not None:
                self._close_early(override.date, override.close, opens)
        shut = np.array([o.date for o in overrides if o.close is None], "datetime64[D]")
        trades = ~np.isin(self._sessions, shut)
        self._sessions, self._closes = self._sessions[trades], self._closes[trades]

    def _close_early(self, day: date, close: time, opens: Instants) -> None:
        at = self._find_position(day)
        early = _to_instant(datetime.combine(day, close, self.zone))
        if not opens[at] < early <= self._closes[at]:
            raise ConfigError(
                f"expected an early close of {self.name} between {opens[at]} and "
                f"{self._closes[at]} UTC, got {early} ({close:%H:%M} there)"
            )
        self._closes[at] = early


@cache  # the library forgets those of fewer years, and takes a second for each
def _load_calendar(name: str) -> tuple[Any, date, date]:
    """Return the library's calendar, and the first and last day that it knows the sessions of."""
    if name not in exchange_calendars.get_calendar_names():
        raise ConfigError(
            "expected an exchange that exchange_calendars knows, like XNYS, XLON, XETR, XTKS or "
            f"24/7, got {name!r}"
        )
    try:
        return exchange_calendars.get_calendar(name, start=FIRST, end=LAST), FIRST, LAST
    except ValueError:  # of some the holidays are known for fewer years
        known = type(exchange_calendars.get_calendar(name))
    first, last = known.bound_min(), known.bound_max()
    days = (max(FIRST, first.date()) if first else FIRST, min(LAST, last.date()) if last else LAST)
    return exchange_calendars.get_calendar(name, start=days[0], end=days[1]), *days


def _to_instants(times: Any) -> Instants:
    instants: Instants = times.dt.tz_convert(None).to_numpy().astype("datetime64[us]")
    return instants


def _to_instant(at: datetime) -> np.datetime64:
    return np.datetime64(at.astimezone(UTC).replace(tzinfo=None), "us")
