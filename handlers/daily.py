"""The daily function: schedule event → pipeline.jobs.daily.run → summary; fails loudly."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from contextvars import ContextVar
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from handlers.schedule import find_correlation_id, parse_time
from handlers.settings import DailySettings
from handlers.telemetry.daily import TimedSource, count_outcome, logger, measure, metrics, tracer
from pipeline.adapters.aws.eventbridge import EventBridgeBus
from pipeline.adapters.aws.s3_options import parse_lock
from pipeline.adapters.aws.sns_topic import SnsTopic
from pipeline.jobs.announce import announce
from pipeline.jobs.checked_source import CheckedSource
from pipeline.jobs.daily import run
from pipeline.jobs.daily_job import DailyJob
from pipeline.jobs.daily_summary import RUN_ENDED, Summary
from pipeline.ports import Announcer
from pipeline.record.repairs import NO_REPAIRS
from pipeline.wiring import daily_job, open_calendar, open_source, open_store

invocation: ContextVar[Any] = ContextVar("invocation")  # the context of the call under way


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: Any, context: Any) -> dict[str, Any]:
    """Publish the last closed session's forecasts; raises IncompleteRun if one is withheld."""
    invocation.set(context)
    logger.set_correlation_id(find_correlation_id(event, context.aws_request_id))
    metrics.add_dimension("function", context.function_name)  # its name tells the stage
    try:
        with measure("run_duration"):
            now = datetime.now(UTC)
            summary = run(job, parse_time(event, now), now)
        count_outcome(summary)
        answer = _to_answer(summary)
        logger.info(RUN_ENDED, extra={"summary": answer})
        announce(announcers, job.store, job.tables, summary)
        summary.require_complete()
    except Exception:
        logger.exception("the run failed")
        raise
    return answer


def _to_answer(summary: Summary) -> dict[str, Any]:
    return {
        "outcome": summary.outcome.value,
        "session": summary.session.isoformat(),
        "published": list(summary.published),
        "withheld": dict(summary.withheld),
        "surprises": list(summary.surprises),
        # Noted in the log, a digest shows later whether the record was rewritten.
        "manifests": summary.digests,
        "store": settings.store,
        **(asdict(summary.repairs) if summary.repairs != NO_REPAIRS else {}),
    }


def _wire(settings: DailySettings) -> DailyJob:
    calendar = open_calendar(settings.calendar)
    cache = Path(tempfile.mkdtemp(prefix="forecaster-"))
    atexit.register(shutil.rmtree, cache, ignore_errors=True)
    opening = partial(
        open_source,
        calendar=calendar,
        cache_dir=cache,
        remaining_seconds=lambda: invocation.get().get_remaining_time_in_millis() / 1000,
    )
    source = opening(settings.bars)
    if settings.check_bars is not None:
        source = CheckedSource(source, opening(settings.check_bars), settings.tickers)
    return daily_job(
        settings.tickers,
        TimedSource(source),
        calendar,
        store=open_store(
            settings.store, lock=parse_lock(settings.lock, datetime.now(UTC)), sse=settings.sse
        ),
        bundle=settings.bundle,
        key=settings.signing_key,
    )


def _open_announcers(settings: DailySettings) -> list[Announcer]:
    buses = [EventBridgeBus(settings.events)] if settings.events else []
    topics = [SnsTopic(settings.digest_topic)] if settings.digest_topic else []
    return [*buses, *topics]


settings = DailySettings.from_env(os.environ)
job = _wire(settings)
announcers = _open_announcers(settings)
