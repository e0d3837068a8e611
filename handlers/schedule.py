"""What invokes the daily function: a schedule, or a person with `{}` or a time.

EventBridge Scheduler sends its default event, with `time` and `id`, or the Input of the schedule,
which can carry <aws.scheduler.scheduled-time> as `scheduled_time` (or `time`) and
<aws.scheduler.execution-id> as `execution_id`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pipeline.errors import RequestError


def parse_time(event: Any, now: datetime) -> datetime:
    """Return the time the event is for, `now` for `{}`; raises RequestError if it names none."""
    if event == {}:
        return now
    named = event if isinstance(event, Mapping) else {}
    time = named.get("time", named.get("scheduled_time"))
    try:
        at = datetime.fromisoformat(time)
    except (TypeError, ValueError) as exc:
        raise _refuse_event(event) from exc
    if at.utcoffset() is None:
        raise _refuse_event(event)
    return at


def find_correlation_id(event: Any, request_id: str) -> str:
    """Return by which name the logs tell this run: the event's own where it has one."""
    named = event if isinstance(event, Mapping) else {}
    return str(named.get("id") or named.get("execution_id") or request_id)


def _refuse_event(event: Any) -> RequestError:
    return RequestError(
        "event: expected {} or an object with a `time` or `scheduled_time` like "
        f"2026-11-20T23:30:00Z, got {event!r:.300}"
    )
