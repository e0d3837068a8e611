"""What Athena sees of the store: the deployed tables beside the files that runs really write."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa
import pytest
import sqlglot

from pipeline.adapters.exchange.calendar import ExchangeCalendar
from pipeline.adapters.folder_store import FolderObjects
from pipeline.adapters.parquet_tables import SCHEMAS
from pipeline.adapters.simulated_bars import SimulatedMarket
from pipeline.wiring import daily_job, open_store
from tests.support.packaged import package, template
from tests.support.records import run

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


class Written(NamedTuple):
    """What runs of the last sessions before `now` left, over the end of a month."""

    store: Path
    now: datetime
    sessions: set[date]

    @property
    def months(self) -> set[str]:
        return {f"{session:%Y-%m}" for session in self.sessions}


# In a month's middle, on its second day, and in a year's first days, before and after a session.
MOMENTS = ("2026-11-19T23:30Z", "2026-12-02T23:30Z", "2027-01-02T12:00Z", "2027-01-05T23:30Z")


@pytest.fixture(scope="module", params=MOMENTS)
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Written:
    folder, calendar = tmp_path_factory.mktemp("store"), ExchangeCalendar()
    source = SimulatedMarket(calendar)
    bundle = ROOT / "models" / "default"
    job = daily_job(("SPY", "QQQ"), source, calendar, store=open_store(str(folder)), bundle=bundle)
    now = datetime.fromisoformat(request.param)
    moments = [now - timedelta(days=days) for days in (35, 2, 1, 0)]
    for moment in moments:
        run(job, moment)
    return Written(folder, now, {calendar.last_closed(moment) for moment in moments})


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
    stored = {name: schema for name, schema in SCHEMAS.items() if name != "backtest_scores"}
    schemas = {"baselines": BASELINES, **stored}
    assert set(tables) == set(schemas)
    for name, schema in schemas.items():
        columns = tables[name]["StorageDescriptor"]["Columns"]
        expected = [(field.name, TYPES[field.type]) for field in schema]
        assert [(column["Name"], column["Type"]) for column in columns] == expected, name


def test_the_projection_covers_every_file_and_each_in_one_place(
    tables: dict[str, Any], written: Written
) -> None:
    keys = [key for key in FolderObjects(written.store).keys("") if key.endswith(".parquet")]
    found: list[str] = []
    for table in tables.values():
        folder = table["StorageDescriptor"]["Location"].rpartition("/store/")[2]
        for partition in projected(table, written.now.date()):
            here = re.compile(re.escape(folder + partition) + "[^/]+")
            found += filter(here.fullmatch, keys)
    assert sorted(found) == sorted(keys)
    folders = {key.rpartition("/")[0] for key in keys if key.startswith("forecasts/")}
    assert folders == {f"forecasts/month={month}" for month in written.months}
    assert len(folders) > 1


@pytest.mark.parametrize("query", QUERIES, ids=lambda path: path.stem)
def test_the_queries_are_athena_s_sql_and_run_on_what_was_written(
    query: Path, tables: dict[str, Any], written: Written
) -> None:
    sql = on_the_day(query.read_text(), written.now.date())
    with duckdb.connect() as connection:
        for name, table in tables.items():
            files = sorted(map(str, (written.store / name).rglob("*.parquet")))
            columns = [*table["StorageDescriptor"]["Columns"], *table["PartitionKeys"]]
            connection.execute(_view(name, files, columns))
        answered = connection.execute(sql).fetchall()
    if query.stem == "latest-forecasts":
        newest = max(written.sessions)
        assert [row[:2] for row in answered] == [("QQQ", newest), ("SPY", newest)]
    if (needed := NEEDED.get(query.stem)) and (written.store / needed).is_dir():
        assert answered
    if query.stem == "bars-of-a-run":
        assert len(answered) == 100


def on_the_day(athena: str, today: date) -> str:
    """Return a query of Athena's as DuckDB's, on which it is the given day."""
    (sql,) = sqlglot.transpile(athena, read="athena", write="duckdb")
    assert "CURRENT_DATE" in sql
    return sql.replace("CURRENT_DATE", f"DATE '{today}'")


def _view(name: str, files: list[str], columns: list[dict[str, str]]) -> str:
    if files:
        reading = f"read_parquet({files}, hive_types = {{'month': VARCHAR}}, filename = true)"
        source = f'SELECT *, filename AS "$path" FROM {reading}'
    else:
        kinds = {"string": "VARCHAR"}
        nothing = (
            f"CAST(NULL AS {kinds.get(one['Type'], one['Type'])}) AS {one['Name']}"
            for one in columns
        )
        source = f'SELECT {", ".join(nothing)}, CAST(NULL AS VARCHAR) AS "$path" WHERE false'
    return f"CREATE VIEW {name} AS {source}"
