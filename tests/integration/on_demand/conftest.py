"""The on-demand function in this process, and the folder that it reads."""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from handlers.local.invoke import LocalContext
from tests.support.builders import latest_view
from tests.support.on_demand_events import ColdStart


@pytest.fixture
def cold_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ColdStart]:
    """Gives what imports the function anew, in an environment of these variables alone."""

    def start(**environ: str) -> Any:
        for name in list(os.environ):
            if name.startswith(("AWS_", "FORECASTER_", "_X_AMZN")):
                monkeypatch.delenv(name)
        default = {"FORECASTER_STORE": str(tmp_path / "store"), "FORECASTER_AUTH": "none"}
        for name, value in {**default, **environ}.items():
            monkeypatch.setenv(name, value)
        sys.modules.pop("handlers.on_demand", None)
        return importlib.import_module("handlers.on_demand")

    yield start
    sys.modules.pop("handlers.on_demand", None)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """The folder the function reads its views from."""
    folder = tmp_path / "store"
    folder.mkdir()
    (folder / "latest.json").write_text(json.dumps(latest_view()))
    (folder / "track_record.json").write_text('{"days": 3}\n')
    (folder / "index.html").write_text("<!doctype html><p>forecasts ±</p>")
    return folder


@pytest.fixture
def call(cold_start: ColdStart) -> Callable[..., Any]:
    """Calls the function, made at the first call, with an event."""
    made: list[Any] = []

    def invoke(event: Any) -> Any:
        if not made:
            made.append(cold_start())
        return made[0].handler(event, LocalContext())

    return invoke
