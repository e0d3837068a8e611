"""Rows of what the template says of the store as tables: what Athena has of it."""

from __future__ import annotations

from typing import Any

from tests.support.packaged import ROOT
from tests.support.template_store import BUCKET

TAGS = [{"Key": "service", "Value": "financial-forecaster"}, {"Key": "stage", "Value": "dev"}]


def table(name: str, folder: str) -> dict[str, Any]:
    """Rows of a table; its columns are compared with the schema of the files elsewhere."""
    projection = "TableInput.Parameters.projection"
    return {
        f"{name}.{path}": value
        for path, value in {
            "DatabaseName": "Catalog",
            "TableInput.Name": folder,
            "TableInput.TableType": "EXTERNAL_TABLE",
            "TableInput.PartitionKeys": [{"Name": "month", "Type": "string"}],
            f"{projection}\\.enabled": "true",
            f"{projection}\\.month\\.type": "date",
            f"{projection}\\.month\\.format": "yyyy-MM",
            f"{projection}\\.month\\.range": "2010-01,NOW",
            f"{projection}\\.month\\.interval": "1",
            f"{projection}\\.month\\.interval\\.unit": "MONTHS",
            "TableInput.StorageDescriptor.Location": f"s3://{BUCKET}/store/{folder}/",
            "TableInput.StorageDescriptor.SerdeInfo.SerializationLibrary": (
                "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
            ),
        }.items()
    }


def view(name: str) -> dict[str, Any]:
    """Rows of a view; what it says in words of its own is read in test_catalog."""
    logical = "".join(map(str.title, name.split("_"))) + "View"
    rows = {"Name": name, "TableType": "VIRTUAL_VIEW", "ViewExpandedText": "/* Presto View */"}
    return {f"{logical}.DatabaseName": "Catalog"} | {
        f"{logical}.TableInput.{path}": value for path, value in rows.items()
    }


def query(name: str, file: str) -> dict[str, Any]:
    return {
        f"{name}.Name": f"financial-forecaster-dev-{file}",
        f"{name}.Database": "Catalog",
        f"{name}.WorkGroup": "Workgroup",
        f"{name}.QueryString": (ROOT / "infra" / "queries" / f"{file}.sql").read_text(),
    }


CATALOG: dict[str, Any] = {
    "Catalog.DatabaseInput.Name": "financial_forecaster_dev",
    **table("ForecastsTable", "forecasts"),
    **table("BaselinesTable", "baselines"),
    **table("ScoresTable", "scores"),
    **table("BarsTable", "bars"),
    **table("ScenariosTable", "scenarios"),
    **table("TemplatesTable", "templates"),
    **table("ScenarioScoresTable", "scenario_scores"),
    **view("latest_forecasts"),
    **view("track_record"),
    **view("coverage_by_month"),
    "Workgroup.Name": "financial-forecaster-dev",
    "Workgroup.RecursiveDeleteOption": True,
    "Workgroup.Tags": TAGS,
    "Workgroup.WorkGroupConfiguration.EnforceWorkGroupConfiguration": True,
    "Workgroup.WorkGroupConfiguration.BytesScannedCutoffPerQuery": 1024**3,
    "Workgroup.WorkGroupConfiguration.ResultConfiguration.OutputLocation": (
        f"s3://{BUCKET}/athena/"
    ),
    "Workgroup.WorkGroupConfiguration.ResultConfiguration.EncryptionConfiguration"
    ".EncryptionOption": "SSE_S3",
    **query("LatestForecastsQuery", "latest-forecasts"),
    **query("BesideBaselinesQuery", "beside-baselines"),
    **query("CoverageQuery", "coverage"),
    **query("SkillQuery", "skill"),
    **query("WithheldQuery", "withheld"),
    **query("BarsOfARunQuery", "bars-of-a-run"),
}
