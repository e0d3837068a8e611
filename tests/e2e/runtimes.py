"""Deployed functions in Lambda's real runtime: what stands behind AWS on this machine."""

from __future__ import annotations

import atexit
import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from threading import Lock
from typing import Any

from tests.e2e.emulator import Emulator, emulator

ACCOUNT = "123456789012"
REGION = "us-east-1"


def variables(port: int) -> dict[str, str]:
    """Return what leads any of AWS's tools here, and nowhere else."""
    return {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


class Runtimes:
    """The emulators: one for each published version, started when it is first invoked."""

    def __init__(self, port: int, folder: Path) -> None:
        self._port = port
        self._folder = folder
        self._running: dict[str, Emulator] = {}
        self._open = ExitStack()
        self._starting = Lock()
        atexit.register(self._open.close)

    def execute(self, function: Mapping[str, Any], event: Any, _request_id: str) -> dict[str, Any]:
        """Answer as ministack's executors do; the metrics and logs go where Lambda sends them."""
        config = function["config"]
        running = self._emulator(config)
        out, err = (len(path.read_bytes()) for path in (running.out, running.err))
        try:
            answer = running.invoke(event)
        except ValueError:  # no JSON: how the emulator tells of a timeout
            answer = {"errorType": "Sandbox.Timedout", "errorMessage": "Task timed out"}
        _record_metrics(running.out.read_bytes()[out:].decode())
        log = running.err.read_bytes()[err:].decode()
        failed = isinstance(answer, dict) and "errorType" in answer
        return {"body": answer, "log": log} | ({"error": True} if failed else {})

    def runs(self, shard: int) -> bool:
        """Whether the last thing that a function was asked for is a run of this shard."""
        return any(map(_runs(shard), self._running.values()))

    def kill(self, shard: int) -> None:
        """Kill the function that runs this shard."""
        for running in filter(_runs(shard), self._running.values()):
            running.kill_function()

    def _emulator(self, config: Mapping[str, Any]) -> Emulator:
        with self._starting:
            key = f"{config['FunctionArn']} {config['RevisionId']}"
            if key not in self._running:
                self._running[key] = self._start(config)
            return self._running[key]

    def _start(self, config: Mapping[str, Any]) -> Emulator:
        from ministack.core.lambda_runtime import execution_credentials

        (handler,) = config["ImageConfigResponse"]["ImageConfig"]["Command"]
        environ = {
            **variables(self._port),
            **execution_credentials(config),
            **config["Environment"]["Variables"],
            "AWS_LAMBDA_FUNCTION_NAME": config["FunctionName"],
            "AWS_LAMBDA_FUNCTION_VERSION": config["Version"],
            "AWS_LAMBDA_FUNCTION_TIMEOUT": str(config["Timeout"]),
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(config["MemorySize"]),
        }
        folder = self._folder / f"{config['FunctionName']}-{len(self._running)}"
        folder.mkdir(parents=True)
        return self._open.enter_context(emulator(folder, environ, handler))


def _runs(shard: int) -> Callable[[Emulator], bool]:
    return lambda running: bool(running.events) and _shard_of(running.events[-1]) == shard


def _shard_of(event: Any) -> int | None:
    return event.get("shard") if isinstance(event, dict) else None


def _record_metrics(printed: str) -> None:
    """Take what functions print as metrics, in the embedded format, to CloudWatch."""
    from ministack.services import cloudwatch

    for line in printed.splitlines():
        if not line.startswith("{") or "_aws" not in (told := json.loads(line)):
            continue
        for directive in told["_aws"]["CloudWatchMetrics"]:
            for metric in directive["Metrics"]:
                value = told[metric["Name"]]
                value = value[0] if isinstance(value, list) else value
                dimensions = {name: told[name] for name in directive["Dimensions"][0]}
                cloudwatch.record_metric(
                    directive["Namespace"], metric["Name"], value, metric["Unit"], dimensions
                )
