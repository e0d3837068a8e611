"""What docs/risk.md says of the table runs as it stands, with the numbers that are answered."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.serving.answer_probability import answer_probability
from pipeline.serving.answer_risk import answer_risk
from pipeline.serving.questions import ProbabilityRequest, RiskRequest
from tests.support.scenarios import cube, rows, view

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "risk.md").read_text("utf-8")
SQL, PANDAS = (re.search(rf"```{kind}\n(.*?)```", TEXT, re.S)[1] for kind in ("sql", "python"))
CUBE = cube(("DIA", "IWM", "QQQ", "SPY"))
FALL = 0.99 * float(CUBE.last_close[3])


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("desk")
    month = folder / "demo" / "store" / "scenarios" / "month=2024-12"
    month.mkdir(parents=True)
    columns = {name: pa.array(column) for name, column in rows(CUBE).items()}
    pq.write_table(pa.table(columns), month / "2024-12-27.00.parquet")
    return folder


@pytest.fixture(scope="module")
def expected() -> dict[str, Any]:
    shown = view(CUBE)
    risk = answer_risk(shown, RiskRequest({"SPY": 10_000, "IWM": -5_000}))
    asked = {"ticker": "SPY", "below": FALL, "horizon": 3}
    below, touch = (
        answer_probability(shown, msgspec.convert({**asked, "touch": touch}, ProbabilityRequest))
        for touch in (False, True)
    )
    return {
        "var_95": [each.tails["95"].var for each in risk.horizons],
        "var_99": [each.tails["99"].var for each in risk.horizons],
        "es_975": [each.tails["97.5"].es for each in risk.horizons],
        "probability": below.probability,
        "touch": touch.probability,
    }


def test_sql_on_the_table_has_the_numbers_that_are_answered(
    desk: Path, expected: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(desk)
    connection = duckdb.connect()
    said = {}
    for statement in filter(str.strip, SQL.split(";")):
        name = re.search(r"-- (\w+)", statement)
        result = connection.execute(statement)
        if name and "CREATE" not in statement:
            said[name[1]] = result.fetchall()
    assert [row[1] for row in said["var"]] == pytest.approx(expected["var_95"])
    assert [row[2] for row in said["var"]] == pytest.approx(expected["var_99"])
    assert [row[1] for row in said["es"]] == pytest.approx(expected["es_975"])
    assert said["probability"] == [(expected["probability"],)]
    assert said["touch"] == [(expected["touch"],)]
    assert said["correlation"][0][0] == pytest.approx(0.8, abs=0.05)


def test_pandas_on_the_table_has_them_too(
    desk: Path, expected: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(desk)
    names: dict[str, Any] = {}
    exec(PANDAS, names)
    for name, value in expected.items():
        said = names[name]
        assert (said.tolist() if isinstance(said, pd.Series) else said) == pytest.approx(value)
    assert names["correlation"] == pytest.approx(0.8, abs=0.05)


def test_the_documented_commands_are_commands() -> None:
    from pipeline.cli.main import app

    known = {command.name for command in app.registered_commands}
    shown = set(re.findall(r"^forecaster ([\w-]+)", TEXT, re.M))
    assert shown == {"risk", "probability", "what-if"}
    assert shown <= known
