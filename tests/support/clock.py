"""Clocks: one that stands still for a module, and one of another day for all tests."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, tzinfo
from typing import Any

import pytest

INSTALL = "make check installs it, and so does pip install -e '.[dev]'"


class StoppedDatetime:
    """What a module can have for `datetime`: all of it, but that it is always `moment`, aware."""

    def __init__(self, moment: datetime) -> None:
        self._moment = moment

    def now(self, tz: tzinfo | None = None) -> datetime:
        return self._moment.astimezone(tz)

    def __getattr__(self, name: str) -> Any:
        return getattr(datetime, name)


def travel_to(moment: str) -> Callable[[], None]:
    """Set this process's clock to a moment, from which it goes on; return what sets it back.

    By time-machine: under libfaketime, waiting threads hang, or sleep fails. Programs that are
    started keep the machine's clock.
    """
    try:
        at = datetime.fromisoformat(moment)
    except ValueError:
        raise pytest.UsageError(
            f"--now: expected a time like 2031-08-02T12:00Z, got {moment}"
        ) from None
    if at.tzinfo is None:
        raise pytest.UsageError(f"--now: expected a time with its zone, got {moment}")
    try:
        from time_machine import travel
    except ModuleNotFoundError:
        raise pytest.UsageError(f"--now: expected the library time-machine; {INSTALL}") from None
    # As a number: given a time zone, it would change this process's.
    journey = travel(at.timestamp())
    journey.start()
    stop: Callable[[], None] = journey.stop
    return stop
