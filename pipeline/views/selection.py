"""Selection: which rows are wanted, out of the words in which a person asks for them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from pipeline.errors import RequestError
from pipeline.record.manifest import Mode
from pipeline.views.rows import Selection

Day = date | str | None


def select(
    first: Day,
    last: Day,
    tickers: str | Collection[str] | None,
    horizons: int | Collection[int] | None,
    modes: str | Collection[str],
) -> Selection:
    """Return the selection; a single ticker, horizon or mode need be in no list.

    Raises
    ------
    RequestError
        For what is no day or mode.
    """
    names = [modes] if isinstance(modes, str) else [*modes]
    if unknown := [name for name in names if name not in [*Mode]]:
        raise RequestError(f"modes: expected some of {', '.join(Mode)}, got {unknown[0]!r}")
    asked = tickers.split(",") if isinstance(tickers, str) else tickers
    return Selection(
        first=_read_day("first", first),
        last=_read_day("last", last),
        tickers=None if asked is None else [ticker.strip().upper() for ticker in asked],
        horizons=(horizons,) if isinstance(horizons, int) else horizons,
        modes=tuple(map(Mode, names)),
    )


def _read_day(name: str, day: Day) -> date | None:
    """Return a day as a date; a datetime, or a Timestamp of pandas, is the day it lies in."""
    try:
        return None if day is None else date.fromisoformat(str(day)[:10])
    except ValueError as exc:
        raise RequestError(f"{name}: expected a date or text like 2024-12-27, got {day!r}") from exc
