"""What the daily function tells of itself: logs, metrics and traces.

Logs go to standard error, metrics to standard output; Lambda takes both.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import partial
from time import perf_counter

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit

from pipeline.jobs.daily_summary import Outcome, Summary
from pipeline.ports import BarSource, Reading
from pipeline.record.universe_session import UniverseSession

# In ASCII: what a label or an event holds moves nobody's terminal.
to_json_line = partial(json.dumps, default=str, separators=(",", ":"))
logger = Logger(service="daily", stream=sys.stderr, utc=True, json_serializer=to_json_line)
metrics = Metrics(namespace="financial-forecaster", service="daily")
tracer = Tracer(service="daily", patch_modules=["botocore"])
# It warns at every request of a call that came without a trace header, as an emulator's do.
logging.getLogger("aws_xray_sdk").setLevel(logging.ERROR)


@contextmanager
def measure(metric: str) -> Iterator[None]:
    """Emit how many milliseconds the block took, also if it raises."""
    started = perf_counter()
    try:
        yield
    finally:
        milliseconds = 1000 * (perf_counter() - started)
        metrics.add_metric(metric, MetricUnit.Milliseconds, milliseconds)


def count_outcome(summary: Summary, shard: int | None = None) -> None:
    """Emit what a run published and withheld, how good its bars were, and how forecasts fare.

    `session_complete` is 1 where every ticker has its forecast; an alarm waits for it every day. A
    shard's number is in the log beside its metrics, and no dimension: each would be paid for.
    Whether the session of a universe is complete is for who gathers it to say.
    """
    if shard is not None:
        metrics.add_metadata("shard", shard)
    metrics.add_metric("forecasts_published", MetricUnit.Count, len(summary.published))
    metrics.add_metric("tickers_withheld", MetricUnit.Count, len(summary.withheld))
    metrics.add_metric("surprises", MetricUnit.Count, len(summary.surprises))
    noted = sum(len(part.notes) for part in summary.manifests)
    metrics.add_metric("notes", MetricUnit.Count, noted)
    complete = summary.outcome in (Outcome.PUBLISHED, Outcome.NOTHING_TO_DO)
    if shard is None:
        metrics.add_metric("session_complete", MetricUnit.Count, int(complete))
    if summary.data_lag_sessions is not None:
        metrics.add_metric("data_lag_sessions", MetricUnit.Count, summary.data_lag_sessions)
    for name, share in summary.headline.items():
        metrics.add_metric(name, MetricUnit.NoUnit, share)


def count_universe(gathered: UniverseSession) -> None:
    """Emit what a universe has of a session; it is complete where every shard has it."""
    complete = bool(gathered.gathered) and not gathered.absent
    metrics.add_metric("universe_published", MetricUnit.Count, gathered.published)
    metrics.add_metric("universe_withheld", MetricUnit.Count, sum(gathered.withheld.values()))
    metrics.add_metric("shards_missing", MetricUnit.Count, len(gathered.absent))
    metrics.add_metric("session_complete", MetricUnit.Count, int(complete))


@dataclass(frozen=True, slots=True)
class TimedSource:
    """A BarSource whose readings are measured."""

    source: BarSource

    @property
    def label(self) -> str:
        return self.source.label

    def read(self, tickers: Sequence[str], first: date, last: date) -> Reading:
        with measure("source_latency"):
            return self.source.read(tickers, first, last)
