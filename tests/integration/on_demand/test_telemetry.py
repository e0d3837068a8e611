"""The on-demand function: its log, metrics and traces."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from handlers.local.invoke import LocalContext
from tests.support.builders import url_event
from tests.support.on_demand_events import WINDOW, ColdStart, assert_problem, logged


class TestTelemetry:
    def test_each_call_is_one_line_and_one_set_of_metrics(self, call: Any, capsys: Any) -> None:
        for body in (json.dumps(WINDOW), "{", json.dumps({"ticker": "SPY"})):
            call(url_event("POST", "/predict", body))
        printed = capsys.readouterr()
        lines, metrics = logged(printed.err), logged(printed.out)
        assert [line["status"] for line in lines] == [200, 400, 503]
        assert [line["level"] for line in lines] == ["INFO", "INFO", "INFO"]
        assert [line["cold_start"] for line in lines] == [True, False, False]
        assert {(line["service"], line["method"], line["path"]) for line in lines} == {
            ("on_demand", "POST", "/predict")
        }
        assert [line.get("code") for line in lines] == [None, "invalid_json", "not_published"]
        counted = [[m["requests"], m["client_errors"], m["server_errors"]] for m in metrics]
        assert counted == [[1, 0, 0], [1, 1, 0], [1, 0, 0]]
        assert all(m["latency"] > 0 and m["model_version"] for m in metrics)

    def test_metrics_have_the_format_of_cloudwatch(self, call: Any, capsys: Any) -> None:
        for _ in range(2):
            call(url_event("GET", "/health"))
        first, second = logged(capsys.readouterr().out)
        own, cold = first["_aws"]["CloudWatchMetrics"]
        assert second["_aws"]["CloudWatchMetrics"] == [own]
        assert own["Namespace"] == cold["Namespace"] == "financial-forecaster"
        assert (own["Dimensions"], cold["Dimensions"]) == (
            [["function", "service"]],
            [["function_name", "service"]],
        )
        assert {one["Name"]: one["Unit"] for one in own["Metrics"]} == {
            "requests": "Count",
            "client_errors": "Count",
            "server_errors": "Count",
            "latency": "Milliseconds",
        }
        for directive in (own, cold):
            named = [one["Name"] for one in directive["Metrics"]]
            assert all(name in first for name in (*named, *directive["Dimensions"][0]))

    def test_what_nobody_thought_of_is_a_500_with_its_stack_in_the_log(
        self, cold_start: ColdStart, capsys: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        function = cold_start()
        event = url_event("GET", "/health")
        monkeypatch.setattr(function, "service", None)
        assert_problem(function.handler(event, LocalContext()), 500, "internal_error", "the logs")
        printed = capsys.readouterr()
        (line,), (metrics,) = logged(printed.err), logged(printed.out)
        assert (line["level"], line["exception_name"]) == ("ERROR", "AttributeError")
        assert "Traceback" in line["exception"]
        counted = [metrics[name] for name in ("requests", "client_errors", "server_errors")]
        assert counted == [1, 0, 1]

    def test_a_sampled_call_is_traced_down_to_the_store(
        self, cold_start: ColdStart, store: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
    ) -> None:
        root, parent = "1-676f3a28-0123456789abcdef01234567", "0123456789abcdef"
        with socket.socket(type=socket.SOCK_DGRAM) as daemon:
            daemon.bind(("127.0.0.1", 0))
            daemon.settimeout(10)
            address = f"127.0.0.1:{daemon.getsockname()[1]}"
            function = cold_start(AWS_XRAY_DAEMON_ADDRESS=address)
            for sampled in (0, 1):
                header = f"Root={root};Parent={parent};Sampled={sampled}"
                monkeypatch.setenv("_X_AMZN_TRACE_ID", header)
                function.handler(url_event("GET", "/forecasts"), LocalContext())
                function.handler(url_event("GET", "/none"), LocalContext())
                function.service.on_demand.views._kept.clear()
            received = [daemon.recv(65536).split(b"\n", 1) for _ in range(3)]
            daemon.setblocking(False)
            with pytest.raises(BlockingIOError):
                daemon.recv(1)
        assert {head for head, _ in received} == {b'{"format":"json","version":1}'}
        read, handled, refused = (json.loads(segment) for _, segment in received)
        assert [one["name"] for one in (read, handled, refused)] == ["store"] + 2 * ["## handler"]
        assert read["parent_id"] == handled["id"] != refused["id"]
        assert handled["parent_id"] == refused["parent_id"] == parent
        assert {one["trace_id"] for one in (read, handled, refused)} == {root}
        lines = logged(capsys.readouterr().err)
        assert [line["xray_trace_id"] for line in lines] == [root] * 4
        assert (handled["error"], refused["error"], refused["fault"]) == (False, True, False)
        assert (
            handled["start_time"] <= read["start_time"] <= read["end_time"] <= handled["end_time"]
        )
