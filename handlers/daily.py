"""The daily function: schedule event → pipeline.jobs.daily.run → summary; fails loudly."""

from __future__ import annotations

import os
from contextvars import ContextVar
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from handlers.jobs import Jobs, take_step
from handlers.schedule import find_correlation_id, parse_step, parse_time
from handlers.settings import DailySettings
from handlers.telemetry.daily import count_outcome, logger, measure, metrics, tracer
from pipeline.adapters.aws.eventbridge import EventBridgeBus
from pipeline.adapters.aws.sns_topic import SnsTopic
from pipeline.errors import RequestError
from pipeline.jobs.announce import announce
from pipeline.jobs.daily import run
from pipeline.jobs.daily_job import DailyJob
from pipeline.jobs.daily_summary import RUN_ENDED, Summary
from pipeline.ports import Announcer
from pipeline.record.repairs import NO_REPAIRS

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
            return _answer(event, datetime.now(UTC))
    except Exception:
        logger.exception("the run failed")
        raise


def _answer(event: Any, now: datetime) -> dict[str, Any]:
    at, step = parse_time(event, now), parse_step(event)
    if step.universe is not None:
        return take_step(step, jobs, announcers, at)
    return _run(step.shard, at, now)


def _run(shard: int | None, at: datetime, now: datetime) -> dict[str, Any]:
    """Run the job or a shard's; raises IncompleteRun if one, or a whole shard, is withheld."""
    if shard is not None:
        logger.append_keys(shard=shard)
    running = _find_job(shard)
    summary = run(running, at, now)
    count_outcome(summary, shard)
    answer = _to_answer(summary, running)
    logger.info(RUN_ENDED, extra={"summary": answer})
    if shard is None:  # of a universe one event tells, once it is gathered
        announce(announcers, running.store, running.tables, summary)
    if shard is None:
        summary.require_complete()
    else:  # the catch-up runs try again what is withheld
        summary.require_any(running.tickers)
    return answer


def _find_job(shard: int | None) -> DailyJob:
    if shard is not None:
        return jobs.open_shard(shard)
    if job is None:
        raise RequestError("event: expected `shard` or `universe`, for there is a universe")
    return job


def _to_answer(summary: Summary, running: DailyJob) -> dict[str, Any]:
    return {
        "outcome": summary.outcome.value,
        "session": summary.session.isoformat(),
        "published": list(summary.published),
        "withheld": dict(summary.withheld),
        "surprises": list(summary.surprises),
        # Noted in the log, a digest shows later whether the record was rewritten.
        "manifests": summary.digests,
        "store": running.store.url("").rstrip("/"),
        **(asdict(summary.repairs) if summary.repairs != NO_REPAIRS else {}),
    }


def _open_announcers(settings: DailySettings) -> list[Announcer]:
    buses = [EventBridgeBus(settings.events)] if settings.events else []
    topics = [SnsTopic(settings.digest_topic)] if settings.digest_topic else []
    return [*buses, *topics]


settings = DailySettings.from_env(os.environ)
jobs = Jobs(settings, lambda: invocation.get().get_remaining_time_in_millis() / 1000)
job = jobs.open_job() if settings.universe is None else None
announcers = _open_announcers(settings)
