"""Planning: what a backfill is going to make, of which bars and by which models."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime

from msgspec import UNSET

from pipeline.errors import RequestError
from pipeline.jobs.daily_job import DailyJob
from pipeline.ports import Reading
from pipeline.record.plan import BackfillPlan, digest_bars, digest_bundle


def build_plan(
    job: DailyJob, span: tuple[date, date], reading: Reading, at: datetime
) -> BackfillPlan:
    """Return the plan of the sessions of `span`, issued at an aware moment, of a reading."""
    bundle = job.model.bundle
    bars = {symbol: raw.as_of(span[1]) for symbol, raw in reading.bars.items()}
    return BackfillPlan(
        first=span[0],
        last=span[1],
        issued_at=at.astimezone(UTC),
        source=job.source.label,
        tickers=job.tickers,
        model_version=bundle.version,
        bundle=digest_bundle(bundle),
        bars=digest_bars(bars),
        broad=digest_bundle(job.broad.bundle) if job.broad else UNSET,
    )


def find_newest_bar(first: date, tickers: Sequence[str], reading: Reading) -> date:
    """Return the session of the newest bar; raises RequestError where it is before `first`."""
    newest = reading.find_newest(tickers)
    if newest is None or newest < first:
        end = "none at all" if newest is None else f"bars that end on {newest}"
        raise RequestError(f"expected bars from {first} on, got {end}")
    return newest
