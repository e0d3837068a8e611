"""What Athena sees of the store: the deployed tables beside the files that runs really write."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
import sqlglot

from pipeline.adapters.exchange_calendar import ExchangeCalendar
from pipeline.adapters.folder_store import FolderObjects
from pipeline.adapters.parquet_tables import SCHEMAS
from pipeline.adapters.simulated_bars import SimulatedMarket
from pipeline.jobs.daily import run
from pipeline.wiring import daily_job
from tests.support.packaged import package, template

ROOT = Path(__file__).resolve().parents[2]
QUERIES = sorted((ROOT / "infra" / "queries").glob("*.sql"))
TYPES = {
    pa.date32(): "date",
    pa.timestamp("ms", tz="UTC"): "timestamp",
    pa.float64(): "double",
    pa.int32(): "int",
    pa.string(): "string",
    pa.bool_(): "boolean",
}
NEEDED = {"beside-baselines": "baselines", "coverage": "scores", "skill": "scores"}
# The same columns for every baseline, and which one.
BASELINES = pa.schema([*SCHEMAS["forecasts"], pa.field("model", pa.string(), nullable=False)])


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The deployed tables by name."""
    resources = template(package(tmp_path_factory.mktemp("packaged")))["Resources"].values()
    found = [one["Properties"]["TableInput"] for one in resources if one["Type"].endswith("Table")]
    return {table["Name"]: table for table in found}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What runs of the last sessions left, over the end of a month."""
    folder, calendar = tmp_path_factory.mktemp("store"), ExchangeCalendar()
    source = SimulatedMarket(calendar)
    bundle = ROOT / "models" / "default"
    job = daily_job(("SPY", "QQQ"), source, calendar, store=str(folder), bundle=bundle)
    now = datetime.now(UTC)
    for days in (35, 2, 1, 0):
        run(job, now - timedelta(days=days))
    return folder


def projected(table: dict[str, Any], today: date) -> Iterator[str]:
    """Yield the folders, under the table's, in which Athena looks for files."""
    told = {
        name.removeprefix("projection.month."): value
        for name, value in table["Parameters"].items()
        if name.startswith("projection.month.")
    }
    (partition,) = table["PartitionKeys"]
    assert table["Parameters"]["projection.enabled"] == "true"
    assert (told["type"], told["format"], told["interval"], told["interval.unit"]) == (
        *("date", "yyyy-MM", "1", "MONTHS"),
    )
    first, last = told["range"].split(",")
    assert last == "NOW"
    month = date.fromisoformat(f"{first}-01")
    while month <= today:
        yield f"{partition['Name']}={month:%Y-%m}/"
        month = (month + timedelta(days=31)).replace(day=1)


def test_columns_are_those_of_the_files(tables: dict[str, Any]) -> None:
    schemas = {"baselines": BASELINES, **SCHEMAS}
    assert set(tables) == set(schemas)
    for name, schema in schemas.items():
        columns = tables[name]["StorageDescriptor"]["Columns"]
        expected = [(field.name, TYPES[field.type]) for field in schema]
        assert [(column["Name"], column["Type"]) for column in columns] == expected, name


def test_the_projection_covers_every_file_and_each_in_one_place(
    tables: dict[str, Any], store: Path
) -> None:
    keys = [key for key in FolderObjects(store).keys("") if key.endswith(".parquet")]
    found: list[str] = []
    for table in tables.values():
        folder = table["StorageDescriptor"]["Location"].rpartition("/store/")[2]
        for partition in projected(table, datetime.now(UTC).date()):
            here = re.compile(re.escape(folder + partition) + "[^/]+")
            found += filter(here.fullmatch, keys)
    assert sorted(found) == sorted(keys)
    assert len({key.rpartition("/")[0] for key in keys if key.startswith("forecasts/")}) == 2


@pytest.mark.parametrize("query", QUERIES, ids=lambda path: path.stem)
def test_the_queries_are_athena_s_sql_and_run_on_what_was_written(
    query: Path, tables: dict[str, Any], store: Path
) -> None:
    (sql,) = sqlglot.transpile(query.read_text(), read="athena", write="duckdb")
    with duckdb.connect() as connection:
        for name, table in tables.items():
            files = sorted(map(str, (store / name).rglob("*.parquet")))
            columns = [*table["StorageDescriptor"]["Columns"], *table["PartitionKeys"]]
            connection.execute(_view(name, files, columns))
        answered = connection.execute(sql).fetchall()
    if query.stem == "latest-forecasts":
        assert [row[0] for row in answered] == ["QQQ", "SPY"]
    if (needed := NEEDED.get(query.stem)) and (store / needed).is_dir():
        assert answered
    if query.stem == "bars-of-a-run":
        assert len(answered) == 100


def _view(name: str, files: list[str], columns: list[dict[str, str]]) -> str:
    if files:
        source = f"SELECT * FROM read_parquet({files}, hive_types = {{'month': VARCHAR}})"
    else:
        kinds = {"string": "VARCHAR"}
        nothing = (
            f"CAST(NULL AS {kinds.get(one['Type'], one['Type'])}) AS {one['Name']}"
            for one in columns
        )
        source = f"SELECT {', '.join(nothing)} WHERE false"
    return f"CREATE VIEW {name} AS {source}"
