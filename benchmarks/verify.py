"""Time of `verify` and `verify --deep` on a backfilled record of four ETFs."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from pipeline.adapters.exchange.calendar import ExchangeCalendar
from pipeline.adapters.folder_store import FolderObjects
from pipeline.adapters.parquet.parquet_tables import ParquetTables
from pipeline.adapters.simulated.market import SimulatedMarket
from pipeline.jobs.backfill.run import backfill
from pipeline.jobs.remake_check import Sample
from pipeline.jobs.verify import Scope, verify
from pipeline.wiring import DEFAULT_BUNDLE, DEFAULT_TICKERS, daily_job, open_store, parse_tickers

SESSIONS, BUDGET, DEEP_BUDGET = 1500, 10.0, 180.0
LAST = datetime(2025, 6, 30, 23, tzinfo=UTC)


def main(sessions: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        issue = measure(lambda: fill(folder, sessions))
        store, tables, calendar = FolderObjects(Path(folder)), ParquetTables(), ExchangeCalendar()
        quick = measure(lambda: verify(store, tables, calendar))
        deep = measure(lambda: verify(store, tables, calendar, Scope(Sample(deep=True))))
    print(f"{'':<24} {'s':>7} {'ms a session':>13} {'of issuing':>11} {'budget s':>9}")
    budgets = {"backfill": "", "verify": f"{BUDGET:.0f}", "verify --deep": f"{DEEP_BUDGET:.0f}"}
    for (name, budget), seconds in zip(budgets.items(), (issue, quick, deep), strict=True):
        each = 1000 * seconds / sessions
        print(f"{name:<24} {seconds:>7.1f} {each:>13.1f} {seconds / issue:>11.2f} {budget:>9}")
    print(f"{sessions} sessions of four simulated tickers; budgets are for {SESSIONS}")


def fill(folder: str, sessions: int) -> None:
    calendar = ExchangeCalendar()
    last = calendar.last_closed(LAST)
    first = calendar.ending(last, sessions)[0]
    tickers = parse_tickers(DEFAULT_TICKERS)
    source = SimulatedMarket(calendar)
    job = daily_job(tickers, source, calendar, store=open_store(folder), bundle=DEFAULT_BUNDLE)
    backfill(job, first, last, LAST, lambda done, total: None)


def measure(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else SESSIONS)
