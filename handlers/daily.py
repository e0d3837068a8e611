"""The daily function: schedule event → pipeline.daily.run → summary; fails loudly.

`python -m handlers.daily [event.json]` runs it once at a desk.
"""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit

from handlers.desk import run_once
from handlers.schedule import correlation_id, scheduled_time
from handlers.settings import DailySettings
from pipeline.adapters.calendar import ExchangeCalendar
from pipeline.daily import DailyJob, Summary, run
from pipeline.errors import RequestError
from pipeline.ports import BarSource, Reading
from pipeline.record import manifest_key
from pipeline.wiring import daily_job, open_source

# Logs go to standard error, metrics to standard output; Lambda takes both.
logger = Logger(service="daily", stream=sys.stderr, utc=True)
metrics = Metrics(namespace="financial-forecaster", service="daily")
tracer = Tracer(service="daily", patch_modules=["botocore"])
invocation: ContextVar[Any] = ContextVar("invocation")  # the context of the call under way


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: Any, context: Any) -> dict[str, Any]:
    """Publish the last closed session's forecasts; raises IncompleteRun if one is withheld."""
    invocation.set(context)
    logger.set_correlation_id(correlation_id(event, context.aws_request_id))
    try:
        with _measured("run_duration"):
            summary = run(*_asked(event, datetime.now(UTC)))
        answer = _reported(summary)
        summary.require_complete()
    except Exception:
        logger.exception("the run failed")
        raise
    return answer


def _asked(event: Any, now: datetime) -> tuple[DailyJob, datetime]:
    """Return the job and the time it is for; raises RequestError for an event without one."""
    at = scheduled_time(event, now)
    asked, current = job.calendar.last_closed(at), job.calendar.last_closed(now)
    if asked > current:
        raise RequestError(f"event: expected a time that has come, got {at.isoformat()}")
    # What is made once the next session has closed must never pass as made in time.
    return (job if asked == current else replace(job, mode="as_of")), at


def _reported(summary: Summary) -> dict[str, Any]:
    metrics.add_metric("forecasts_published", MetricUnit.Count, len(summary.published))
    metrics.add_metric("tickers_withheld", MetricUnit.Count, len(summary.withheld))
    if summary.data_lag_sessions is not None:
        metrics.add_metric("data_lag_sessions", MetricUnit.Count, summary.data_lag_sessions)
    answer = {
        "outcome": summary.outcome.value,
        "session": summary.session.isoformat(),
        "published": list(summary.published),
        "withheld": dict(summary.withheld),
        "manifests": [manifest_key(part.session, part.part) for part in summary.manifests],
        "store": settings.store,
    }
    logger.info("the run ended", extra={"summary": answer})
    return answer


@contextmanager
def _measured(metric: str) -> Iterator[None]:
    started = perf_counter()
    try:
        yield
    finally:
        milliseconds = 1000 * (perf_counter() - started)
        metrics.add_metric(metric, MetricUnit.Milliseconds, milliseconds)


@dataclass(frozen=True, slots=True)
class Timed:
    """A BarSource whose readings are measured."""

    source: BarSource

    @property
    def label(self) -> str:
        return self.source.label

    def read(self, tickers: Sequence[str], first: date, last: date) -> Reading:
        with _measured("source_latency"):
            return self.source.read(tickers, first, last)


def _wired(settings: DailySettings) -> DailyJob:
    calendar = ExchangeCalendar()
    cache = Path(tempfile.mkdtemp(prefix="forecaster-"))
    atexit.register(shutil.rmtree, cache, ignore_errors=True)
    source = open_source(
        settings.bars,
        calendar,
        cache_dir=cache,
        remaining_seconds=lambda: invocation.get().get_remaining_time_in_millis() / 1000,
    )
    return daily_job(
        settings.tickers, Timed(source), calendar, store=settings.store, bundle=settings.bundle
    )


settings = DailySettings.from_env(os.environ)
job = _wired(settings)

if __name__ == "__main__":
    run_once(handler)
