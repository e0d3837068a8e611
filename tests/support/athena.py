"""Athena for tests: the deployed catalog, and its SQL asked of DuckDB on the files of a store."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import sqlglot

Table = Mapping[str, Any]
VIEW = re.compile(r"/\* Presto View: ([A-Za-z0-9+/=]+) \*/")


def tables_of(template: Any, kind: str = "EXTERNAL_TABLE") -> dict[str, Any]:
    """Return the deployed tables, or with VIRTUAL_VIEW the views, by name."""
    inputs = [
        resource["Properties"]["TableInput"]
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::Glue::Table"
    ]
    return {table["Name"]: table for table in inputs if table["TableType"] == kind}


def document_of(view: Table) -> dict[str, Any]:
    """Return what Athena reads of a view: its SQL, schema and columns."""
    text = VIEW.fullmatch(view["ViewOriginalText"])
    assert text is not None
    document: dict[str, Any] = json.loads(base64.b64decode(text[1], validate=True))
    return document


def to_duckdb(athena: str, today: date) -> str:
    """Return a query of Athena's as DuckDB's, on which it is the given day."""
    (sql,) = sqlglot.transpile(athena, read="athena", write="duckdb")
    return sql.replace("CURRENT_DATE", f"DATE '{today}'")


def connect(
    store: Path, tables: Mapping[str, Table], views: Mapping[str, Table], today: date
) -> duckdb.DuckDBPyConnection:
    """Return a connection that has the tables on the store's files, and the views on them."""
    connection = duckdb.connect()
    for name, table in tables.items():
        files = sorted(map(str, store.glob(f"{_pattern(table, name)}*.parquet")))
        columns = [*table["StorageDescriptor"]["Columns"], *table["PartitionKeys"]]
        connection.execute(_describe_table(name, files, columns))
    for name, view in views.items():
        sql = to_duckdb(document_of(view)["originalSql"], today)
        connection.execute(f"CREATE VIEW {name} AS {sql}")
    return connection


def _pattern(table: Table, name: str) -> str:
    """Return where a table's partitions lie below the store, as a pattern of their folders."""
    template = table["Parameters"].get("storage.location.template")
    if template is None:
        return f"{name}/**/"
    within = template.removeprefix(table["StorageDescriptor"]["Location"])
    return re.sub(r"\$\{!?\w+\}", "*", within)


def _describe_table(name: str, files: list[str], columns: list[dict[str, str]]) -> str:
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


def statements(block: str) -> Iterator[tuple[str | None, str]]:
    """Yield the statements of a block of SQL, each with the name in the comment before it."""
    for statement in filter(str.strip, block.split(";")):
        named = re.match(r"\s*-- (\w+)\n", statement)
        yield named[1] if named else None, statement
