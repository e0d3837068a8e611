"""What a cold start of the daily function loads, refuses and tells nobody."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from handlers.local.invoke import LocalContext
from pipeline.adapters.simulated.market import SimulatedMarket
from pipeline.errors import ConfigError
from tests.support.commands import ColdStart
from tests.support.expected import SCHEDULE

ROOT = Path(__file__).resolve().parents[2]


class TestColdStart:
    def test_every_problem_of_the_settings_is_told(self, cold_start: ColdStart) -> None:
        with pytest.raises(ConfigError) as raised:
            cold_start(FORECASTER_STORE="", FORECASTER_BARS="/none", FORECASTER_TICKERS="?")
        for name in ("FORECASTER_STORE", "FORECASTER_BARS", "FORECASTER_TICKERS"):
            assert f"{name}: expected" in str(raised.value)

    def test_the_source_sees_the_time_left_to_the_call_under_way(
        self, cold_start: ColdStart, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: dict[str, Any] = {}

        class Watching(SimulatedMarket):
            def read(self, *asked: Any) -> Any:
                left.append(seen["remaining_seconds"]())
                return super().read(*asked)

        def open_source(spec: str, calendar: Any, **others: Any) -> Any:
            seen.update(others, spec=spec)
            return Watching(calendar)

        class Context(LocalContext):
            def get_remaining_time_in_millis(self) -> int:
                return milliseconds.pop()

        left: list[float] = []
        milliseconds = [1_500, 60_000]
        monkeypatch.setattr("handlers.jobs.open_source", open_source)
        daily = cold_start(FORECASTER_BARS="yahoo")
        daily.handler({"time": "2024-12-26T23:30:00Z"}, Context())
        daily.handler(SCHEDULE, Context())
        assert (seen["spec"], left) == ("yahoo", [60.0, 1.5])
        assert Path(tempfile.gettempdir()) in seen["cache_dir"].parents

    def test_nothing_of_training_or_the_command_line_is_loaded(self, tmp_path: Path) -> None:
        done = subprocess.run(
            [sys.executable, "-c", "import sys, handlers.daily; print(*sys.modules)"],
            cwd=ROOT,
            env={"FORECASTER_STORE": str(tmp_path), "FORECASTER_BARS": "simulated"},
            check=True,
            capture_output=True,
            text=True,
        )
        loaded = {name.partition(".")[0] for name in done.stdout.split()}
        assert "onnxruntime" in loaded
        assert loaded.isdisjoint(
            {"torch", "sklearn", "onnx", "arch", "mlflow", "typer", "rich", "yfinance", "pydantic"}
        )
