"""Fixtures of the walk-forward backtest, of the command line and of the daily function."""

from __future__ import annotations

import importlib
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli import main as cli
from pipeline.cli import options
from pipeline.columns import Columns
from tests.support.clock import StoppedDatetime
from tests.support.commands import SESSION, Answer, Clock, ColdStart, Forecaster
from tests.support.packaged import package, template
from tests.support.quick_training import train_in_a_moment


@pytest.fixture(autouse=True)
def no_metrics_left() -> Iterator[None]:
    """Metrics that a test has counted and not printed: a process has one set of them."""
    yield
    if powertools := sys.modules.get("aws_lambda_powertools.metrics"):
        powertools.Metrics(namespace="tests").clear_metrics()


@pytest.fixture(scope="session")
def walked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Columns, Path]:
    """Scores and folder of an undisturbed run with the range-HAR."""
    # Here, so that other tests load no training library.
    from pipeline.training.walk_forward.run import walk_forward
    from tests.support.walks import plan, range_har

    folder = tmp_path_factory.mktemp("walked")
    return walk_forward(plan(range_har), folder), folder


@pytest.fixture(scope="session")
def off(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The packaged template with a reader's policy, and every other option off."""
    return template(package(tmp_path_factory.mktemp("off"), reader="policy"))


@pytest.fixture
def forecaster(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Forecaster:
    """Run `forecaster ARGS` in an empty folder of its own."""
    monkeypatch.chdir(tmp_path)

    def call(*args: str | Path) -> Answer:
        with pytest.raises(SystemExit) as exited:
            cli.main([str(arg) for arg in args])
        out, err = capsys.readouterr()
        assert isinstance(exited.value.code, int)
        return Answer(exited.value.code, out, err)

    return call


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Stop the clock of the command line at a moment."""

    def stop(moment: datetime) -> None:
        monkeypatch.setattr(options, "datetime", StoppedDatetime(moment))

    return stop


@pytest.fixture
def noon(clock: Clock) -> None:
    """It is noon of SESSION in New York: the exchange is open."""
    clock(datetime(2025, 6, 30, 12, tzinfo=options.NEW_YORK))


@pytest.fixture
def bars(forecaster: Forecaster) -> Path:
    """Folder of the simulated bars of 320 sessions up to SESSION."""
    assert forecaster("fetch", "--bars", "simulated", "--out", "bars", "--to", SESSION).code == 0
    return Path("bars")


@pytest.fixture
def history(forecaster: Forecaster, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder of one ETF's simulated bars of five years, and members that learn in a moment."""
    train_in_a_moment(monkeypatch)
    args = ("--from", "2020-01-02", "--to", "2025-01-31", "--tickers", "SPY")
    assert forecaster("fetch", "--bars", "simulated", "--out", "history", *args).code == 0
    return Path("history")


@pytest.fixture
def cold_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ColdStart]:
    """Gives what imports the function anew, in an environment of these variables alone."""

    def start(environ: Mapping[str, str] = {}, **more: str) -> Any:
        for name in list(os.environ):
            if name.startswith(("AWS_", "FORECASTER_", "POWERTOOLS_", "LAMBDA_")):
                monkeypatch.delenv(name)
        default = {"FORECASTER_STORE": str(tmp_path / "store"), "FORECASTER_BARS": "simulated"}
        for name, value in {**default, **environ, **more}.items():
            monkeypatch.setenv(name, value)
        forget()
        return importlib.import_module("handlers.daily")

    def forget() -> None:
        for name in ("handlers.daily", "handlers.telemetry.daily"):
            sys.modules.pop(name, None)
        logging.Logger.manager.loggerDict.pop("daily", None)

    yield start
    forget()
