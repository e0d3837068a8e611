"""What Athena sees of the store: the deployed tables beside the files that runs really write."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pytest

from pipeline.adapters.exchange.calendar import ExchangeCalendar
from pipeline.adapters.folder_store import FolderObjects
from pipeline.adapters.parquet.parquet_tables import SCHEMAS
from pipeline.adapters.simulated.market import SimulatedMarket
from pipeline.wiring import daily_job, open_store
from tests.support.athena import connect, document_of, tables_of, to_duckdb
from tests.support.packaged import package, template
from tests.support.records import run

ROOT = Path(__file__).resolve().parents[2]
QUERIES = sorted((ROOT / "infra" / "queries").glob("*.sql"))
TYPES = {
    pa.date32(): "date",
    pa.timestamp("ms", tz="UTC"): "timestamp",
    pa.float64(): "double",
    pa.float32(): "float",
    pa.int32(): "int",
    pa.string(): "string",
    pa.bool_(): "boolean",
}
NEEDED = {"beside-baselines": "baselines", "coverage": "scores", "skill": "scores"}
# The same columns for every baseline, and which one.
BASELINES = pa.schema([*SCHEMAS["forecasts"], pa.field("model", pa.string(), nullable=False)])


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The packaged template."""
    return template(package(tmp_path_factory.mktemp("packaged")))


@pytest.fixture(scope="module")
def tables(deployed: Any) -> dict[str, Any]:
    """The deployed tables by name."""
    return tables_of(deployed)


@pytest.fixture(scope="module")
def views(deployed: Any) -> dict[str, Any]:
    """The deployed views by name."""
    return tables_of(deployed, "VIRTUAL_VIEW")


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
    backtests = {"backtest_scores", "backtest_scenario_scores"}
    stored = {name: schema for name, schema in SCHEMAS.items() if name not in backtests}
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
    assert "current_date" in query.read_text()
    sql = to_duckdb(query.read_text(), written.now.date())
    with connect(written.store, tables, {}, written.now.date()) as connection:
        answered = connection.execute(sql).fetchall()
    if query.stem == "latest-forecasts":
        newest = max(written.sessions)
        assert [row[:2] for row in answered] == [("QQQ", newest), ("SPY", newest)]
    if (needed := NEEDED.get(query.stem)) and (written.store / needed).is_dir():
        assert answered
    if query.stem == "bars-of-a-run":
        assert len(answered) == 100


def test_a_view_says_what_athena_s_own_would(views: dict[str, Any]) -> None:
    assert set(views) == {"latest_forecasts", "track_record", "coverage_by_month"}
    for view in views.values():
        assert view["Parameters"] == {"presto_view": "true", "comment": "Presto View"}
        assert view["ViewExpandedText"] == "/* Presto View */"
        assert view["PartitionKeys"] == []
        assert view["StorageDescriptor"]["SerdeInfo"]
        document = document_of(view)
        assert document["catalog"] == "awsdatacatalog"
        assert document["schema"] == "financial_forecaster_dev"
        assert len(view["ViewOriginalText"]) < 131072


# As Hive names a type, as Trino does, and as DuckDB does of the query's own columns.
VIEW_TYPES = {
    ("string", "varchar", "VARCHAR"),
    ("int", "integer", "INTEGER"),
    ("bigint", "bigint", "BIGINT"),
    ("double", "double", "DOUBLE"),
    ("boolean", "boolean", "BOOLEAN"),
    ("date", "date", "DATE"),
    ("timestamp", "timestamp(3)", "TIMESTAMP"),
}


def test_a_view_s_columns_are_those_of_its_query(
    tables: dict[str, Any], views: dict[str, Any], written: Written
) -> None:
    """Athena calls a view stale of which one is not."""
    with connect(written.store, tables, views, written.now.date()) as connection:
        for name, view in views.items():
            described = connection.execute(f"DESCRIBE {name}").fetchall()
            hive = view["StorageDescriptor"]["Columns"]
            trino = document_of(view)["columns"]
            names = [column["Name"] for column in hive]
            assert names == [column["name"] for column in trino] == [row[0] for row in described]
            for one, other, row in zip(hive, trino, described, strict=True):
                assert (one["Type"], other["type"], row[1].partition("_")[0]) in VIEW_TYPES, row


def test_views_are_of_what_was_written(
    tables: dict[str, Any], views: dict[str, Any], written: Written
) -> None:
    with connect(written.store, tables, views, written.now.date()) as connection:
        newest = connection.execute("SELECT DISTINCT origin_date FROM latest_forecasts").fetchall()
        scored = connection.execute("SELECT count(*) FROM scores WHERE NOT in_sample").fetchone()
        record = connection.execute("SELECT count(*) FROM track_record").fetchone()
    assert newest == [(max(written.sessions),)]
    assert record == scored
