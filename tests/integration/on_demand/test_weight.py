"""The on-demand function in a fresh process: what it loads, and when."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.builders import bar_rows, latest_view, url_event
from tests.support.on_demand_events import BARS, ROOT, WINDOW
from tests.support.s3_server import BUCKET, S3, s3_server


class TestWeight:
    """A fresh process: what it loads, and when."""

    HEAVY = (
        "pandas", "pyarrow", "yfinance", "exchange_calendars", "torch", "sklearn", "onnx",
        "pydantic", "scipy", "arch", "typer", "rich", "aws_lambda_powertools", "aws_xray_sdk",
    )  # fmt: skip

    def loaded(self, events: list[Any], **environ: str) -> tuple[list[int], set[str]]:
        code = (
            "import contextlib, io, json, sys\n"
            "from handlers.on_demand import handler\n"
            "from handlers.local.invoke import LocalContext\n"
            "with contextlib.redirect_stdout(io.StringIO()):\n"
            "    answers = [handler(e, LocalContext()) for e in json.load(sys.stdin)]\n"
            "print(json.dumps([[a['statusCode'] for a in answers], sorted(sys.modules)]))"
        )
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", code],
            cwd=ROOT,
            env={"FORECASTER_AUTH": "none", "PYTHONPATH": str(ROOT), **environ},
            input=json.dumps(events),
            check=True,
            capture_output=True,
            text=True,
        )
        statuses, modules = json.loads(done.stdout)
        return statuses, {name.partition(".")[0] for name in modules}

    def test_no_request_of_a_folder_s_store_loads_a_heavy_library(self, store: Path) -> None:
        events = [
            url_event("POST", "/predict", WINDOW),
            url_event("POST", "/predict", {"bars": bar_rows(BARS), "ticker": "SPY"}),
            url_event("POST", "/predict", {"ticker": "SPY"}),
            url_event("GET", "/forecasts"),
            url_event("GET", "/openapi.json"),
            url_event("POST", "/predict", '{"data": NaN}'),
        ]
        statuses, modules = self.loaded(events, FORECASTER_STORE=str(store))
        assert statuses == [200, 200, 200, 200, 200, 422]
        assert modules.isdisjoint({*self.HEAVY, "boto3", "botocore"})

    def test_boto3_is_loaded_by_the_first_request_that_needs_s3(self) -> None:
        with s3_server() as server:
            self.put(server, "latest.json", json.dumps(latest_view()).encode())
            environ = {**server.environ, "FORECASTER_STORE": f"s3://{BUCKET}/served"}
            window, ticker = (url_event("POST", "/predict", d) for d in (WINDOW, {"ticker": "SPY"}))
            without = self.loaded([window, url_event("GET", "/health")], **environ)
            with_s3 = self.loaded([window, ticker], **environ)
        assert without[0] == with_s3[0] == [200, 200]
        assert without[1].isdisjoint({*self.HEAVY, "boto3", "botocore"})
        assert "boto3" in with_s3[1]
        assert with_s3[1].isdisjoint(self.HEAVY)

    def put(self, server: S3, key: str, data: bytes) -> None:
        server.client.put_object(Bucket=BUCKET, Key=f"served/{key}", Body=data)

    def test_an_s3_that_does_not_answer_is_for_later(self) -> None:
        environ = {"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9", "AWS_DEFAULT_REGION": "us-east-1"}
        keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
        events = [url_event("GET", "/forecasts"), url_event("POST", "/predict", WINDOW)]
        store = {"FORECASTER_STORE": f"s3://{BUCKET}/served", "AWS_MAX_ATTEMPTS": "1"}
        assert self.loaded(events, **environ, **keys, **store)[0] == [503, 200]
