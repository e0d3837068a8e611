"""A clock that stands still, for modules that ask `datetime.now`."""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import Any


class StoppedDatetime:
    """What a module can have for `datetime`: all of it, but that it is always `moment`, aware."""

    def __init__(self, moment: datetime) -> None:
        self._moment = moment

    def now(self, tz: tzinfo | None = None) -> datetime:
        return self._moment.astimezone(tz)

    def __getattr__(self, name: str) -> Any:
        return getattr(datetime, name)
