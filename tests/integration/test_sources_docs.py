"""docs/sources.md: the source of a reader's own runs as it is printed there, and commands exist."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline import wiring
from pipeline.adapters.simulated.market import SimulatedMarket
from pipeline.bars import COLUMNS
from pipeline.jobs.daily_summary import Outcome
from pipeline.record.terms import read_terms
from pipeline.record.vintage import HISTORY_SESSIONS
from pipeline.wiring import SIMULATED, YAHOO, is_source

TEXT = (Path(__file__).parents[2] / "docs" / "sources.md").read_text(encoding="utf-8")
(EXAMPLE,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
COMMANDS = re.findall(r"^forecaster .*$", TEXT, re.MULTILINE)


def fill_database(tickers: tuple[str, ...]) -> None:
    calendar = wiring.open_calendar()
    sessions = calendar.ending(calendar.last_closed(datetime.now(UTC)), HISTORY_SESSIONS)
    reading = SimulatedMarket(calendar).read(tickers, sessions[0], sessions[-1])
    with closing(sqlite3.connect("prices.sqlite")) as database, database:
        database.execute(f"CREATE TABLE prices (ticker, day, {', '.join(COLUMNS)})")
        for ticker, bars in reading.bars.items():
            days = bars.session.astype(str).tolist()
            columns = (getattr(bars, name).tolist() for name in COLUMNS)
            for day, *numbers in zip(days, *columns, strict=True):
                database.execute(
                    "INSERT INTO prices VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", (ticker, day, *numbers)
                )


@pytest.mark.parametrize(("held", "outcome"), [(2, Outcome.PUBLISHED), (1, Outcome.INCOMPLETE)])
def test_the_example_publishes_what_the_database_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: int, outcome: Outcome
) -> None:
    monkeypatch.chdir(tmp_path)
    tickers = ("SPY", "QQQ")[:held]
    fill_database(tickers)
    names: dict[str, Any] = {}
    exec(compile(EXAMPLE, "docs/sources.md", "exec"), names)
    summary = names["summary"]
    assert summary.outcome is outcome
    assert set(summary.published) == set(tickers)
    assert set(summary.withheld.values()) <= {"no_bars"}
    terms = read_terms(names["store"])
    assert terms is not None
    assert terms.source == "our database"


def test_the_example_is_short() -> None:
    body = EXAMPLE[EXAMPLE.index("QUERY") :]
    assert sum(bool(line.strip()) for line in body.splitlines()) <= 30


@pytest.mark.parametrize("command", COMMANDS)
def test_options_named_are_options(command: str) -> None:
    from typer.main import get_command

    from pipeline.cli.main import app

    _, name, *words = command.split()
    known = {
        option
        for parameter in get_command(app).commands[name].params  # type: ignore[attr-defined]
        for option in parameter.opts
    }
    assert {word for word in words if word.startswith("--")} <= known


def test_every_kind_of_source_is_named() -> None:
    for spec in (YAHOO, SIMULATED, "s3://bucket/prefix"):
        assert f"`{spec}`" in TEXT
        assert is_source(spec)
