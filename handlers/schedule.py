"""What invokes the daily function: a schedule, or a person with `{}` or a time.

EventBridge Scheduler sends its default event, with `time` and `id`, or the Input of the schedule,
which can carry <aws.scheduler.scheduled-time> as `scheduled_time` (or `time`) and
<aws.scheduler.execution-id> as `execution_id`. Of a universe an event names a `shard`, or a step of
the `universe`: `list`, `gather`, or `verify`, the list of what there is to verify.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from reprlib import Repr
from typing import Any

from pipeline.encoding import to_line
from pipeline.errors import RequestError
from pipeline.record.sharding import MOST_SHARDS

# The calendar begins in 1990, and a run needs more than a year before its session.
EARLIEST = datetime(1992, 1, 1, tzinfo=UTC)
SKEW = timedelta(days=1)  # by which clocks may differ; the calendar then says what has come
SHORT = Repr()
SHORT.maxstring = SHORT.maxother = 100


LIST, GATHER, VERIFY = "list", "gather", "verify"


@dataclass(frozen=True, slots=True)
class Step:
    """What of a universe an event is for: a shard by its number, a step, or none of it.

    `shards` says of how many a universe is that its list begins; `ended` that all runs of the
    session that is gathered have ended well, so that where no shard has it there was none.
    """

    shard: int | None = None
    universe: str | None = None
    shards: int | None = None
    ended: bool | None = None


def parse_step(event: Any) -> Step:
    """Return what of a universe the event is for.

    Raises
    ------
    RequestError
        When it names another step than there is, or both a step and a shard.
    """
    named = event if isinstance(event, Mapping) else {}
    step = Step(*(named.get(name) for name in ("shard", "universe", "shards", "ended")))
    numbers = (step.shard, 0), (step.shards, 1)
    good = all(n is None or (type(n) is int and least <= n <= MOST_SHARDS) for n, least in numbers)
    good &= step.universe in ((None,) if step.shard is not None else (None, LIST, GATHER, VERIFY))
    good &= step.shards is None or step.universe == LIST
    good &= step.ended is None or (type(step.ended) is bool and step.universe == GATHER)
    if not good:
        raise RequestError(
            f"event: expected `shard`, a number, or `universe`, {LIST} (with `shards` if "
            f"wanted), {GATHER} (with `ended`) or {VERIFY}, got {SHORT.repr(event)}"
        )
    return step


def parse_time(event: Any, now: datetime) -> datetime:
    """Return the time the event is for, in UTC, `now` for `{}`.

    Raises
    ------
    RequestError
        When the event names none, or one that is long ago or to come.
    """
    if event == {}:
        return now
    named = event if isinstance(event, Mapping) else {}
    time = named.get("time", named.get("scheduled_time"))
    try:
        at = datetime.fromisoformat(time)
        if at.utcoffset() is None:
            raise _refuse_event(event)
        at = at.astimezone(UTC)
    except (TypeError, ValueError) as exc:
        raise _refuse_event(event) from exc
    except OverflowError as exc:  # the first or the last day of all, seen from elsewhere
        raise _refuse_time(time) from exc
    if not EARLIEST <= at <= now + SKEW:
        raise _refuse_time(time)
    return at


def find_correlation_id(event: Any, request_id: str) -> str:
    """Return by which name the logs tell this run: the event's own where it has one."""
    named = event if isinstance(event, Mapping) else {}
    name = named.get("id") or named.get("execution_id")
    return to_line(name[:200]) if isinstance(name, str) else request_id


def _refuse_event(event: Any) -> RequestError:
    return RequestError(
        "event: expected {} or an object with a `time` or `scheduled_time` like "
        f"2026-11-20T23:30:00Z, got {SHORT.repr(event)}"
    )


def _refuse_time(time: str) -> RequestError:
    return RequestError(
        f"event: expected a time that has come, from {EARLIEST:%Y} on, got {time:.100}"
    )
