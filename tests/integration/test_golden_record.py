"""The record's shapes are the golden ones: what is written today must be read in ten years."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.forecasting.model import Model
from tests.support.fakes import MemoryObjects
from tests.support.records import SESSIONS, backfilled, market, run_day, scaled

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
LAST = SESSIONS[-1]


@pytest.fixture(scope="module")
def store(model: Model) -> MemoryObjects:
    """Two sessions made afterwards and one live, with a revision and a ticker withheld."""
    store = backfilled(model, SESSIONS[-4], SESSIONS[-2])
    changed = market(QQQ=scaled(market()["QQQ"], 0.98, slice(0, -2)))
    run_day(model, store, LAST, changed)
    return store


def shape(value: Any) -> Any:
    """Return what kind of value is where: names kept, each list by its first element."""
    if isinstance(value, dict):
        return {name: shape(one) for name, one in sorted(value.items())}
    if isinstance(value, list):
        return [shape(one) for one in value[:1]]
    return type(value).__name__


@pytest.mark.parametrize(
    "name",
    ["bars", "baselines", "forecasts", "scenario_scores", "scenarios", "scores", "templates"],
)
def test_every_table_that_a_run_writes_has_the_golden_schema(
    store: MemoryObjects, name: str
) -> None:
    golden = (GOLDEN / f"{name}.schema.txt").read_text()
    for key in store.keys(f"{name}/"):
        read = pq.read_schema(pa.BufferReader(store.objects[key])).remove_metadata()
        assert f"{read}\n" == golden, key


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("manifest", f"runs/{LAST}.00.json"),
        ("calibration", f"calibration/{LAST}.00.json"),
        ("latest", "latest.json"),
        ("track_record", "track_record.json"),
    ],
)
def test_every_document_that_a_run_writes_has_the_golden_shape(
    store: MemoryObjects, name: str, key: str
) -> None:
    found = shape(json.loads(store.objects[key]))
    text = json.dumps(found, indent=1) + "\n"
    for digest in (part for part in store.keys("bundles/")):
        # The name of the bundle says which it is.
        text = text.replace(digest, f"bundles/VERSION/{digest.rpartition('/')[2][:5]}")
    assert text == (GOLDEN / "record" / f"{name}.shape.json").read_text()


def test_an_object_lies_where_readers_look_for_it(store: MemoryObjects) -> None:
    month = "month=2024-12"
    named = [key for key in store.objects if f"{LAST}.00" in key]
    assert sorted(named) == [
        f"bars/{month}/{LAST}.00.parquet",
        f"baselines/{month}/{LAST}.00.parquet",
        f"calibration/{LAST}.00.json",
        f"forecasts/{month}/{LAST}.00.parquet",
        f"runs/{LAST}.00.json",
        f"scenarios/{month}/{LAST}.00.parquet",
        f"scores/{month}/{LAST}.00.parquet",
        f"templates/{month}/{LAST}.00.parquet",
    ]
