"""The exchange's sessions, by exchange_calendars and a file of what it does not know yet.

Exchanges announce some closures only days ahead, before the pinned library can know them.
`closures.json` holds those: a list of objects with exactly these fields,

    {"calendar": "XNYS", "date": "2025-01-09", "close": null, "why": "national day of mourning"}

where `close` is null for a day without trading, or the early close in the exchange's own time,
like "13:00". What the library has learned meanwhile may stay.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import exchange_calendars
import numpy as np
from numpy.typing import NDArray

from pipeline.bars import Sessions
from pipeline.errors import ConfigError

# Fixed, so that the same question has the same answer whenever it is asked.
FIRST = date(1990, 1, 1)
LAST = date(2049, 12, 31)
SPAN = f"{FIRST} to {LAST}"
ADVICE = "check the date and the clock, or widen FIRST and LAST in exchange_calendar.py"
DELAY = timedelta(minutes=30)
CLOSURES = Path(__file__).with_name("closures.json")

Instants = NDArray[np.datetime64]
FIELDS = ("calendar", "date", "close", "why")


@dataclass(frozen=True, slots=True)
class Override:
    """A day on which `calendar` does not trade (close None), or closes early at local `close`."""

    calendar: str
    date: date
    close: time | None
    why: str


class ExchangeCalendar:
    """The sessions of one exchange from 1990 to 2049; fulfils `pipeline.ports.Calendar`.

    Parameters
    ----------
    name : str
        The exchange's code in exchange_calendars, a market identifier code like XNYS.
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
        library = _load_calendar(name)
        self.name: str = library.name
        self._zone: ZoneInfo = library.tz
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
        self._refuse_outside(at.date() if edge else at.astimezone(self._zone).date())
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
                f"expected 0 or more sessions of {self.name} from {SPAN}, "
                f"got a request for {wanted} that reaches beyond; {ADVICE}"
            )
        cut: list[date] = self._sessions[start:stop].tolist()
        return cut

    def _refuse_outside(self, day: date) -> None:
        if not FIRST <= day <= LAST:
            raise ConfigError(f"expected a day of {self.name} from {SPAN}, got {day}; {ADVICE}")

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
        early = _to_instant(datetime.combine(day, close, self._zone))
        if not opens[at] < early <= self._closes[at]:
            raise ConfigError(
                f"expected an early close of {self.name} between {opens[at]} and "
                f"{self._closes[at]} UTC, got {early} ({close:%H:%M} there)"
            )
        self._closes[at] = early


def read_overrides(path: Path) -> list[Override]:
    """Return what an override file says; raises ConfigError where it is not as described above."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise ConfigError(f"expected a JSON file of closures at {path}, got: {exc}") from exc
    if not isinstance(entries, list):
        raise ConfigError(f"{path.name}: expected a list of closures, got {entries!r}")
    overrides = [
        _parse_override(entry, f"{path.name}, entry {i}") for i, entry in enumerate(entries, 1)
    ]
    days = [(o.calendar, o.date) for o in overrides]
    for calendar, day in days:
        if days.count((calendar, day)) > 1:
            raise ConfigError(f"{path.name}: expected each day once, got {day} of {calendar} twice")
    return overrides


def _parse_override(entry: Any, where: str) -> Override:
    if not isinstance(entry, dict) or set(entry) != set(FIELDS):
        raise ConfigError(f"{where}: expected the fields {', '.join(FIELDS)}; got {entry!r}")
    if entry["calendar"] not in exchange_calendars.get_calendar_names(include_aliases=False):
        raise ConfigError(f"{where}: expected an exchange's code, got {entry['calendar']!r}")
    try:
        day, close = date.fromisoformat(entry["date"]), entry["close"]
        early = None if close is None else datetime.strptime(close, "%H:%M").time()
    except (TypeError, ValueError) as exc:
        raise ConfigError(
            f'{where}: expected date "YYYY-MM-DD" and close "HH:MM" or null, got {entry!r}'
        ) from exc
    return Override(entry["calendar"], day, early, entry["why"])


def _load_calendar(name: str) -> Any:
    try:
        return exchange_calendars.get_calendar(name, start=FIRST, end=LAST)
    except (exchange_calendars.errors.CalendarError, ValueError) as exc:
        raise ConfigError(f"expected an exchange open {SPAN}, got {name}: {exc}") from exc


def _to_instants(times: Any) -> Instants:
    instants: Instants = times.dt.tz_convert(None).to_numpy().astype("datetime64[us]")
    return instants


def _to_instant(at: datetime) -> np.datetime64:
    return np.datetime64(at.astimezone(UTC).replace(tzinfo=None), "us")
