"""Excel, through the export: the documented formulas give what every other reader gives."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from pipeline.forecasting.model import Model
from tests.support.reading import ROOT, blocks, build, expected, lay_out
from tests.support.spreadsheet import evaluate

TEXT = (ROOT / "docs" / "readers.md").read_text("utf-8").partition("\n## Excel\n")[2]
FORMULAS = dict(re.findall(r"^\| `(\w+)` \| `(=[^`]+)`", TEXT, re.MULTILINE))
Ask = Callable[..., float]


@pytest.fixture(scope="module")
def desk(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the record was exported as the document says."""
    folder = tmp_path_factory.mktemp("desk")
    lay_out(build(model), folder / "demo" / "store")
    (commands,) = blocks("readers.md", "Excel", "")
    for command in commands.splitlines():
        program, *arguments = command.split()
        assert program == ".venv/bin/forecaster"
        subprocess.run(
            [sys.executable, "-m", "pipeline.cli", *arguments],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            check=True,
        )
    return folder


@pytest.fixture(scope="module")
def ask(desk: Path) -> Ask:
    """Ask a formula of a workbook, with values for its cells."""
    sheets: dict[str, list[tuple[Any, ...]]] = {}
    for name in ("forecasts", "scores"):
        book = openpyxl.load_workbook(desk / f"{name}.xlsx", read_only=True)
        sheets[name] = list(book[name].iter_rows(min_row=2, values_only=True))

    def evaluated(formula: str, sheet: str, **cells: Any) -> float:
        return evaluate(formula, sheets[sheet], cells)

    return evaluated


@pytest.fixture(scope="module")
def want(desk: Path) -> Mapping[str, list[list[Any]]]:
    return expected(desk / "demo" / "store")


def test_every_formula_is_read() -> None:
    assert set(FORMULAS) == {"today", "risk", "hits", "coverage", "skill"}


def test_next_close_fan_and_risk(ask: Ask, want: Mapping[str, list[list[Any]]]) -> None:
    for ticker, _, _, lower, upper in want["today"]:
        today = FORMULAS["today"]
        assert ask(today, "forecasts", Z1=ticker) == pytest.approx(lower)
        assert ask(today.replace("M:M", "N:N"), "forecasts", Z1=ticker) == pytest.approx(upper)
    for horizon, row in enumerate(want["fan"], start=1):
        ahead = FORMULAS["today"].removesuffix("1)") + f"{horizon})"
        assert ask(ahead, "forecasts", Z1="SPY") == pytest.approx(row[1])
    assert ask(FORMULAS["risk"], "forecasts", Z1="SPY", Z2=100) == pytest.approx(want["risk"][0][0])
    for ticker, _, at_risk in want["positions"]:
        shares = {"SPY": 100, "QQQ": 40}[ticker]
        risk = ask(FORMULAS["risk"], "forecasts", Z1=ticker, Z2=shares)
        assert risk == pytest.approx(at_risk)


def test_hits_coverage_and_skill(ask: Ask, want: Mapping[str, list[list[Any]]]) -> None:
    for ticker, *_, covered in want["hits"]:
        assert ask(FORMULAS["hits"], "scores", Z1=ticker) == int(covered)
    months = {month: datetime.fromisoformat(f"{month}-01") for month, *_ in want["coverage"]}
    for month, _, _, covered in want["coverage"]:
        assert ask(FORMULAS["coverage"], "scores", Z2=months[month]) == pytest.approx(covered)
    for month, skill in want["skill"]:
        assert ask(FORMULAS["skill"], "scores", Z2=months[month]) == pytest.approx(skill)
