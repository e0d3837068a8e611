"""Signals: what the on-demand function tells of each call, as a log line and as metrics.

The log line goes to standard error and has the keys of the daily function's. The metrics go to
standard output, in CloudWatch's embedded metric format: `requests`, `client_errors`,
`server_errors` (counts; that a forecast is not published yet is none) and `latency`
(milliseconds), in the namespace `financial-forecaster` by the dimensions `service` and `function`,
as the daily function's, with `model_version` beside them to search by, and `ColdStart` as
Powertools counts it.
docs/decisions/0009 says why no library does it here.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TextIO

import msgspec

from handlers.http.problems import NOT_PUBLISHED
from pipeline.encoding import escape_json

NAMESPACE, SERVICE = "financial-forecaster", "on_demand"
UNITS = {
    "requests": "Count",
    "client_errors": "Count",
    "server_errors": "Count",
    "latency": "Milliseconds",
}


class Signals:
    """Tells of calls; the first one is the cold start.

    `failures_only` leaves out of the log what went well or was the caller's fault.
    """

    def __init__(self, model_version: str, *, failures_only: bool = False) -> None:
        self.failures_only = failures_only
        self._model_version = model_version
        self._cold = True

    def emit(self, context: Any, status: int, seconds: float, fields: Mapping[str, Any]) -> None:
        """Log and count an answered call; `fields` join the log line, a problem's `code` too."""
        failed = status >= 500 and fields.get("code") != NOT_PUBLISHED
        milliseconds = 1000 * seconds
        numbers = {
            "requests": 1,
            "client_errors": int(400 <= status < 500),
            "server_errors": int(failed),
            "latency": milliseconds,
        }
        now = datetime.now(UTC)
        line = {
            "level": "ERROR" if failed else "INFO",
            "message": "answered",
            "timestamp": now.isoformat(timespec="milliseconds"),
            "service": SERVICE,
            **self._function(context),
            "status": status,
            "latency_ms": milliseconds,
            "model_version": self._model_version,
            **fields,
        }
        if failed or not self.failures_only:
            _write_line(sys.stderr, line)
        _write_line(sys.stdout, self._metrics(context, now, numbers))
        self._cold = False

    def _function(self, context: Any) -> dict[str, Any]:
        return {
            "cold_start": self._cold,
            "function_name": context.function_name,
            "function_memory_size": context.memory_limit_in_mb,
            "function_arn": context.invoked_function_arn,
            "function_request_id": context.aws_request_id,
        }

    def _metrics(self, context: Any, now: datetime, numbers: Mapping[str, float]) -> dict[str, Any]:
        directives = [_build_directive(["function", "service"], UNITS)]
        metrics = {
            "service": SERVICE,
            "function": context.function_name,  # which stage's it is
            "model_version": self._model_version,
            **numbers,
        }
        if self._cold:
            directives.append(
                _build_directive(["function_name", "service"], {"ColdStart": "Count"})
            )
            metrics |= {"function_name": context.function_name, "ColdStart": 1}
        at = int(1000 * now.timestamp())
        return {"_aws": {"Timestamp": at, "CloudWatchMetrics": directives}, **metrics}


def _build_directive(dimensions: list[str], units: Mapping[str, str]) -> dict[str, Any]:
    named = [{"Name": name, "Unit": unit} for name, unit in units.items()]
    return {"Namespace": NAMESPACE, "Dimensions": [dimensions], "Metrics": named}


def _write_line(stream: TextIO, document: Mapping[str, Any]) -> None:
    """Write a line at once and whole: what is buffered is lost when Lambda freezes the process."""
    stream.write(escape_json(msgspec.json.encode(document).decode()) + "\n")
    stream.flush()
