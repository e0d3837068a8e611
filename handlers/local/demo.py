"""A past for a demo: `python -m handlers.local.demo STORE` issues a year of simulated sessions.

All but the newest session, which the daily function publishes live as it would in AWS. What is made
here is made afterwards, is marked `backfill`, and is kept apart from what is live.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime

from pipeline.adapters.exchange.calendar import ExchangeCalendar
from pipeline.adapters.simulated.market import SimulatedMarket
from pipeline.encoding import to_line
from pipeline.errors import ForecasterError
from pipeline.jobs.backfill.run import backfill
from pipeline.record.chain import find_head
from pipeline.wiring import (
    DEFAULT_BUNDLE,
    DEFAULT_TICKERS,
    daily_job,
    open_store,
    parse_tickers,
)

SESSIONS = 252  # before the newest, a year
USAGE = "python -m handlers.local.demo STORE"


def fill(location: str, now: datetime) -> int:
    """Issue the sessions of the last year that the store lacks, but the newest; return how many.

    Raises
    ------
    StoreError
        When the store is another source's.
    """
    calendar, store = ExchangeCalendar(), open_store(location)
    *sessions, _ = calendar.ending(calendar.last_closed(now), SESSIONS + 1)
    head = find_head(store)
    missing = [s for s in sessions if head is None or s > head.manifest.session]
    if not missing:
        return 0
    job = daily_job(
        parse_tickers(DEFAULT_TICKERS),
        SimulatedMarket(calendar),
        calendar,
        store=store,
        bundle=DEFAULT_BUNDLE,
    )
    return backfill(job, missing[0], missing[-1], now, lambda done, total: None)


def main(arguments: list[str]) -> int:
    """Fill the store; 1 if it failed, 2 for wrong use."""
    if len(arguments) != 1:
        print(f"error: expected {USAGE}, got {to_line(' '.join(arguments))}", file=sys.stderr)
        return 2
    try:
        issued = fill(arguments[0], datetime.now(UTC))
    except ForecasterError as exc:
        print(f"error: {to_line(str(exc))}", file=sys.stderr)
        return 1
    print(f"{issued} past sessions made afterwards (backfill), so that the page has a history")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
