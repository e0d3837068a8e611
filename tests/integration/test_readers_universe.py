"""Readers of a universe's store: the documented lines, one folder deeper, with the same answers."""

from __future__ import annotations

import re
import shutil
import textwrap
from collections.abc import Callable
from functools import partial
from pathlib import Path

import duckdb
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from pipeline.forecasting.model import Model
from pipeline.record.sharding import assign_shard, name_shard
from tests.integration.test_readers import OTHER, SPARK, ask, ask_duckdb
from tests.support.athena import connect, tables_of, to_duckdb
from tests.support.packaged import package, template
from tests.support.reading import (
    ROOT,
    SESSIONS,
    blocks,
    build,
    comparable,
    expected,
    lay_out,
    read_blocks,
)

SHARDS = 3
READ = ("forecasts", "scores")
TABLE = re.compile(rf"(?<=store/|tore}}/)({'|'.join(READ)})/")
UNIVERSE = (ROOT / "docs" / "readers.md").read_text("utf-8").partition("\n## A universe\n")[2]
SPARK_READS, PANDAS_READS = read_blocks(textwrap.dedent(re.sub("(?m)^  ", "", UNIVERSE)), "python")


@pytest.fixture(scope="module")
def desk(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store beside the same one in shards, and a person's positions."""
    folder = tmp_path_factory.mktemp("desk")
    whole = folder / "whole"
    lay_out(build(model), whole)
    for path in [path for table in READ for path in (whole / table).rglob("*.parquet")]:
        split(path, folder / "demo" / "store", str(path.relative_to(whole)))
    (folder / "positions.csv").write_text("ticker,shares\nSPY,100\nQQQ,40\n")
    return folder


def split(path: Path, store: Path, key: str) -> None:
    """Write the rows of a file into the shards of their tickers."""
    rows = pq.ParquetFile(path).read()  # not by its path, of which the month would be a column
    for ticker in rows["ticker"].unique().to_pylist():
        shard = store / name_shard(assign_shard(ticker, SHARDS))
        (shard / key).parent.mkdir(parents=True, exist_ok=True)
        of_shard = [
            each
            for each in rows["ticker"].unique().to_pylist()
            if assign_shard(each, SHARDS) == assign_shard(ticker, SHARDS)
        ]
        pq.write_table(rows.filter(pc.field("ticker").isin(of_shard)), shard / key)


def deeper(program: str) -> str:
    """Return what reads a store, so that it reads the shards of one."""
    return TABLE.sub(r"shard=*/\1/", program)


def test_the_store_has_several_shards_with_some_tickers_each(desk: Path) -> None:
    assert len([*(desk / "demo" / "store").glob("shard=*/forecasts")]) > 1
    assert "*" in deeper(blocks("readers.md", "Polars", "python")[0])


def test_duckdb(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(desk)
    (block,) = blocks("reading.md", "DuckDB", "sql")
    block = deeper(block).replace("{'month': VARCHAR}", "{'month': VARCHAR, 'shard': INT}")
    with duckdb.connect() as connection:
        answered = ask_duckdb(connection, block)
    assert comparable(answered) == comparable(expected(desk / "whole"))


def test_polars(desk: Path) -> None:
    polars = list(map(deeper, blocks("readers.md", "Polars", "python")))
    assert comparable(ask(OTHER, polars, desk)) == comparable(expected(desk / "whole"))


def test_pandas(desk: Path) -> None:
    _, *rest = blocks("reading.md", "pandas", "python")
    answered = ask(OTHER, [PANDAS_READS, *rest], desk)
    assert comparable(answered) == comparable(expected(desk / "whole"))


@pytest.mark.slow
def test_pyspark(desk: Path) -> None:
    if shutil.which("java") is None:
        pytest.skip("expected java for Spark, got none: install openjdk-17-jre-headless")
    (spark,) = blocks("readers.md", "PySpark", "python")
    reads = re.compile(r"^forecasts = spark\.read.*\n^scores = spark\.read.*\n", re.MULTILINE)
    assert reads.search(spark)
    program = reads.sub(lambda _: SPARK_READS, spark)
    assert comparable(ask(OTHER, [program], desk, **SPARK)) == comparable(expected(desk / "whole"))


def test_athena_s_views(desk: Path, tmp_path: Path) -> None:
    """By DuckDB, of the tables that a universe is deployed with."""
    params = {"universe": "s3://lists/universe.csv", "shards": str(SHARDS)}
    deployed, day = template(package(tmp_path, **params)), SESSIONS[-1]
    (block, *_) = blocks("reading.md", "Athena", "sql")
    catalog = tables_of(deployed), tables_of(deployed, "VIRTUAL_VIEW")
    translate: Callable[[str], str] = partial(to_duckdb, today=day)
    with connect(desk / "demo" / "store", *catalog, day) as connection:
        answered = ask_duckdb(connection, block, translate)
        shards = connection.execute("SELECT DISTINCT shard FROM forecasts").fetchall()
    assert comparable(answered) == comparable(expected(desk / "whole"))
    assert len(shards) > 1
