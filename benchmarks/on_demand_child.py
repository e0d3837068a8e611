"""One process of benchmarks.on_demand; what it loads before the clock starts, all rows load."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

WARM_CALLS = 1000
MODULES = {"ours": "handlers.on_demand", "twin": "benchmarks.on_demand_twin"}
CONTEXT = SimpleNamespace(
    function_name="bench",
    memory_limit_in_mb=512,
    invoked_function_arn="",
    aws_request_id="bench",
    get_remaining_time_in_millis=lambda: 60_000,
)


def main(kind: str) -> dict[str, float]:
    event = json.loads(Path(os.environ["BENCH_EVENT"]).read_bytes())
    started = time.perf_counter()
    if kind not in MODULES:
        import numpy  # noqa: F401
        import onnxruntime  # noqa: F401

        return {"cold_ms": 1000 * (time.perf_counter() - started), "mb": peak_mb()}
    handler = importlib.import_module(MODULES[kind]).handler
    check_answer(handler(event, CONTEXT))
    cold = time.perf_counter() - started
    seconds = sorted(time_call(handler, event) for _ in range(WARM_CALLS))
    return {
        "cold_ms": 1000 * cold,
        "warm_ms": 1000 * seconds[WARM_CALLS // 2],
        "p99_ms": 1000 * seconds[WARM_CALLS * 99 // 100],
        "mb": peak_mb(),
    }


def time_call(handler: Any, event: Any) -> float:
    started = time.perf_counter()
    handler(event, CONTEXT)
    return time.perf_counter() - started


def check_answer(answer: Any) -> None:
    if answer["statusCode"] != 200 or "interval_95" not in json.loads(answer["body"]):
        raise SystemExit(f"expected a forecast, got {answer}")


def peak_mb() -> float:
    """Peak resident memory; getrusage would count what the parent had when it forked."""
    status = Path("/proc/self/status").read_text()
    (peak,) = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return float(peak.split()[1]) / 1024


if __name__ == "__main__":
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        measures = main(sys.argv[1])
    print(json.dumps(measures))
