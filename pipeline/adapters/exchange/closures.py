"""Closures: days without trading, or with less of it, that the pinned library cannot know yet.

Exchanges announce some only days ahead. `closures.json` holds those: a list of objects with exactly
these fields,

    {"calendar": "XNYS", "date": "2025-01-09", "close": null, "why": "national day of mourning"}

where `close` is null for a day without trading, or the early close in the exchange's own time,
like "13:00". What the library has learned meanwhile may stay.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import exchange_calendars

from pipeline.errors import ConfigError

CLOSURES = Path(__file__).with_name("closures.json")
FIELDS = ("calendar", "date", "close", "why")


@dataclass(frozen=True, slots=True)
class Override:
    """A day on which `calendar` does not trade (close None), or closes early at local `close`."""

    calendar: str
    date: date
    close: time | None
    why: str


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
