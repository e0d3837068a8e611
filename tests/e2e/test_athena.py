"""The documented questions, asked of Athena on this machine: tables and views as deployed."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.forecasting.model import Model
from tests.e2e.cloud import BUCKET, NAME, Cloud, eventually, local_cloud
from tests.support.athena import statements
from tests.support.packaged import package
from tests.support.reading import (
    CALENDAR,
    ROOT,
    Answers,
    blocks,
    build,
    comparable,
    expected,
    lay_out,
)

pytestmark = [pytest.mark.slow, pytest.mark.emulator]

READERS = ROOT / ".venv-readers" / "bin" / "python"
KINDS = ("AWS::Glue::Database", "AWS::Glue::Table", "AWS::Athena::WorkGroup")


@pytest.fixture(scope="module")
def sessions() -> list[date]:
    """The last days: the views look for the newest forecasts no further back."""
    return CALENDAR.ending(CALENDAR.last_closed(datetime.now(UTC)), 12)


@pytest.fixture(scope="module")
def store(model: Model, sessions: list[date], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    lay_out(build(model, sessions, ()), folder)
    return folder


@pytest.fixture(scope="module")
def cloud(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """The cloud, with the catalog as deployed and the store in its bucket."""
    folder = tmp_path_factory.mktemp("cloud")
    template = json.loads(package(folder / "packaged").read_text())
    catalog = {n: r for n, r in template["Resources"].items() if r["Type"] in KINDS}
    with local_cloud(folder) as started:
        s3, stacks = started.client("s3"), started.client("cloudformation")
        s3.create_bucket(Bucket=BUCKET)
        for name in ("forecasts", "scores"):
            for file in (store / name).rglob("*.parquet"):
                s3.upload_file(str(file), BUCKET, f"store/{file.relative_to(store)}")
        stacks.create_stack(StackName=NAME, TemplateBody=json.dumps({"Resources": catalog}))

        def is_there() -> bool:
            (stack,) = stacks.describe_stacks(StackName=NAME)["Stacks"]
            assert "FAILED" not in stack["StackStatus"], stack
            return bool(stack["StackStatus"] == "CREATE_COMPLETE")

        eventually(is_there)
        yield started


def typed(rows: list[list[str]], like: list[list[Any]]) -> list[list[Any]]:
    """Return Athena's text as the values that are expected: numbers and flags."""
    kinds = [type(value) for value in like[0]] if like else []
    read = {float: float, int: int, bool: lambda text: text == "true"}
    return [[read.get(kind, str)(v) for kind, v in zip(kinds, row, strict=True)] for row in rows]


def test_athena_answers_as_every_reader(cloud: Cloud, store: Path, sessions: list[date]) -> None:
    want = comparable(expected(store, sessions[-1]))
    answers: Answers = {
        name: typed(cloud.ask_athena(sql), want[name])
        for name, sql in statements(blocks("reading.md", "Athena", "sql")[0])
        if name
    }
    assert comparable(answers) == want


def test_awswrangler_asks_it(cloud: Cloud, store: Path, sessions: list[date]) -> None:
    if not READERS.exists():
        pytest.skip("expected .venv-readers with awswrangler, got none: make test makes it")
    asking = blocks("readers.md", "awswrangler", "python")[0]
    done = subprocess.run(
        [str(READERS), str(ROOT / "tests" / "readers" / "answer.py")],
        input=json.dumps([asking]),
        env={**cloud.environ, "PATH": ""},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    today = json.loads(done.stdout.splitlines()[-1])
    assert comparable(today) == {"today": comparable(expected(store, sessions[-1]))["today"]}
