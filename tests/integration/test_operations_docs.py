"""The documents of a deployment say what is deployed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.packaged import package, template

ROOT = Path(__file__).resolve().parents[2]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
READING = (ROOT / "docs" / "reading.md").read_text()
NAME = "financial-forecaster-dev-"


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """The resources of the packaged template."""
    return [*template(package(tmp_path_factory.mktemp("packaged")))["Resources"].values()]


def of(deployed: list[Any], kind: str) -> list[Any]:
    return [one["Properties"] for one in deployed if one["Type"] == kind]


def test_every_alarm_says_where_to_read_what_to_do_and_it_is_written_there(
    deployed: list[Any],
) -> None:
    section = OPERATIONS.partition("\n## Alarms\n")[2].partition("\n## ")[0]
    alarms = {
        one["AlarmName"].removeprefix(NAME): one["AlarmDescription"]
        for one in of(deployed, "AWS::CloudWatch::Alarm")
    }
    assert set(re.findall(r"^### ([a-z0-9-]+)$", section, re.MULTILINE)) == set(alarms)
    for name, description in alarms.items():
        assert description.endswith(f". docs/operations.md#{name}")


def test_the_documented_queries_are_those_that_wait_in_athena(deployed: list[Any]) -> None:
    documented = dict(
        re.findall(
            r"^\*\*([a-z-]+)\*\*[^\n]*\n\n```sql\n(.*?)^```", READING, re.DOTALL | re.MULTILINE
        )
    )
    assert documented == {
        one["Name"].removeprefix(NAME): one["QueryString"]
        for one in of(deployed, "AWS::Athena::NamedQuery")
    }


def test_parameters_are_documented_with_their_defaults() -> None:
    text = re.sub(r"!(\w+)", "", (ROOT / "serverless.yml").read_text())
    params = yaml.safe_load(text)["params"]["default"]
    documented = dict(re.findall(r"^\| `--param=(\w+)=` \| ([^|]+?) \|", OPERATIONS, re.MULTILINE))
    assert set(re.findall(r"--param=(\w+)=", OPERATIONS)) == {*params, "apiKeySha256"}
    for name, default in params.items():
        if default != "":
            assert documented[name].split(",")[0] == str(default).split(",")[0], name


def test_costs_add_up_and_a_first_stage_stays_below_35_cents() -> None:
    table = OPERATIONS.partition("\n## What it costs\n")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")]
    *items, total = [row[-2:] for row in rows[1:]]
    for column in (0, 1):
        stated = float(total[column].strip("*"))
        assert sum(float(row[column]) for row in items) == pytest.approx(stated)
    assert float(total[0].strip("*")) < 0.35
