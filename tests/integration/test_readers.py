"""Every reader of the store that the documents name: run as written, all with the same answers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipeline import frames
from pipeline.forecasting.model import Model
from tests.readers.answer import NAMES, plain
from tests.support.athena import connect, statements, tables_of, to_duckdb
from tests.support.packaged import package, template
from tests.support.reading import (
    ROOT,
    SESSIONS,
    Answers,
    blocks,
    build,
    comparable,
    expected,
    lay_out,
)
from tests.support.s3_server import BUCKET, S3, s3_server

OTHER = ROOT / ".venv-readers" / "bin" / "python"
ANSWER = ROOT / "tests" / "readers" / "answer.py"
# Spark for a test: a thread, no page, nothing but this machine; a compiler that gives up early and
# no code of Spark's own to compile, which would take longer than these few rows.
CONF = (
    "spark.ui.enabled=false spark.ui.showConsoleProgress=false spark.driver.host=127.0.0.1 "
    "spark.sql.shuffle.partitions=1 spark.sql.adaptive.enabled=false "
    "spark.sql.codegen.wholeStage=false spark.sql.codegen.factoryMode=NO_CODEGEN"
)
SPARK = {
    "PYSPARK_SUBMIT_ARGS": "--master local[1] --driver-java-options "
    "'-XX:TieredStopAtLevel=1 -XX:+UseSerialGC' "
    + " ".join(f"--conf {setting}" for setting in CONF.split())
    + " pyspark-shell",
    "SPARK_LOCAL_IP": "127.0.0.1",
}


@pytest.fixture(scope="module")
def objects(model: Model) -> Mapping[str, bytes]:
    return build(model)


@pytest.fixture(scope="module")
def desk(objects: Mapping[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `make demo` has been, with a person's positions beside it."""
    folder = tmp_path_factory.mktemp("desk")
    lay_out(objects, folder / "demo" / "store")
    (folder / "positions.csv").write_text("ticker,shares\nSPY,100\nQQQ,40\n")
    return folder


def ask(python: str | Path, programs: list[str], desk: Path, **environ: str) -> Answers:
    """Return what programs answer in an environment, run at the desk."""
    if not Path(python).exists():
        pytest.skip("expected .venv-readers with pandas 3, Polars, Spark: make test makes it")
    done = subprocess.run(
        [str(python), str(ANSWER)],
        input=json.dumps(programs),
        cwd=desk,
        env={**os.environ, **environ},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    answered: Answers = json.loads(done.stdout.splitlines()[-1])
    return answered


PANDAS = blocks("reading.md", "pandas", "python")


@pytest.mark.parametrize("python", [sys.executable, OTHER], ids=["pandas 2", "pandas 3"])
def test_pandas(python: str | Path, desk: Path) -> None:
    assert comparable(ask(python, PANDAS, desk)) == comparable(expected(desk / "demo" / "store"))


def test_days_of_a_file_are_objects_in_pandas_and_no_text_is_one(desk: Path) -> None:
    """What the document warns of, in both."""
    program = """
import pandas as pd
wrong = pd.read_parquet("demo/store/forecasts").origin_date
try:
    wrong >= "2024-01-01"
except TypeError:
    today = pd.DataFrame({"pandas": [pd.__version__[0]], "equal": [(wrong == "2025-02-07").sum()]})
"""
    for python, version in ((sys.executable, "2"), (OTHER, "3")):
        assert ask(python, [program], desk)["today"] == [[version, 0]]


def ask_duckdb(
    connection: duckdb.DuckDBPyConnection, block: str, translate: Callable[[str], str] = str
) -> Answers:
    """Return what the statements of a block of SQL answer that have names."""
    answered: dict[str, list[Any]] = {}
    for name, sql in statements(block):
        rows = connection.execute(translate(sql)).fetchall()
        if name:
            answered[name] = [[plain(value) for value in row] for row in rows]
    return answered


def test_duckdb(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(desk)
    (block,) = blocks("reading.md", "DuckDB", "sql")
    with duckdb.connect() as connection:
        answered = ask_duckdb(connection, block)
    assert set(answered) == set(NAMES)
    assert comparable(answered) == comparable(expected(desk / "demo" / "store"))


def test_athena_s_views(desk: Path, tmp_path: Path) -> None:
    """By DuckDB, on a day after the last session; Athena's own engine is nowhere but in AWS."""
    deployed, day = template(package(tmp_path)), SESSIONS[-1] + timedelta(days=1)
    block = blocks("reading.md", "Athena", "sql")[0]
    catalog = tables_of(deployed), tables_of(deployed, "VIRTUAL_VIEW")
    with connect(desk / "demo" / "store", *catalog, day) as connection:
        answered = ask_duckdb(connection, block, partial(to_duckdb, today=day))
    assert set(answered) == set(NAMES)
    assert comparable(answered) == comparable(expected(desk / "demo" / "store"))


def test_polars(desk: Path) -> None:
    polars = blocks("readers.md", "Polars", "python")
    assert comparable(ask(OTHER, polars, desk)) == comparable(expected(desk / "demo" / "store"))


@pytest.mark.slow
def test_pyspark(desk: Path) -> None:
    if shutil.which("java") is None:
        pytest.skip("expected java for Spark, got none: install openjdk-17-jre-headless")
    spark = blocks("readers.md", "PySpark", "python")
    assert comparable(ask(OTHER, spark, desk, **SPARK)) == comparable(
        expected(desk / "demo" / "store")
    )


@pytest.fixture(scope="module")
def bucket(objects: Mapping[str, bytes]) -> Iterator[S3]:
    with s3_server() as server:
        read = {
            key: data for key, data in objects.items() if key.startswith(("forecasts", "scores"))
        }
        for key, data in read.items():
            server.client.put_object(Bucket=BUCKET, Key=f"store/{key}", Body=data)
        yield server


def test_awswrangler_from_files(bucket: S3, desk: Path) -> None:
    _, reading = blocks("readers.md", "awswrangler", "python")
    away = {**bucket.environ, "FORECASTER_STORE": f"s3://{BUCKET}/store"}
    answered = ask(OTHER, [reading, *PANDAS[1:]], desk, **away)
    assert comparable(answered) == comparable(expected(desk / "demo" / "store"))


def test_the_answers_know_what_a_reader_may_trip_over(desk: Path) -> None:
    """The record has what every reader must leave out, so that equal answers prove something."""
    store = desk / "demo" / "store"
    every = frames.read_scores(store, modes=("live", "backfill"), in_sample=True)
    assert set(every["mode"]) == {"live", "backfill"}
    assert every.in_sample.any()
    assert "withheld:unknown_ticker" in set(frames.read_forecasts(store).status)
    twice = duckdb.sql(
        f"SELECT ticker, target_date FROM read_parquet('{store}/scores/*/*.parquet') "
        "GROUP BY ticker, target_date, origin_date, horizon, model HAVING count(*) > 1"
    ).fetchall()
    assert {row[0] for row in twice} == {"SPY"}
    answers = expected(desk / "demo" / "store")
    assert [row[0] for row in answers["coverage"]] == ["2025-01", "2025-02"]
    assert 0 < answers["coverage"][0][2] < 1
    assert len(answers["today"]) == len(answers["hits"]) == 2
