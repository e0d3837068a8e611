"""What is read of a part is what can have been issued, whatever its digests say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest

from pipeline.columns import where
from pipeline.encoding import to_json
from pipeline.errors import StoreError
from pipeline.forecasting.model import Model
from pipeline.record.chain import find_head
from pipeline.record.issued import read_forecasts, read_issued
from pipeline.record.state import State
from pipeline.record.vintage import ReadInfo, Vintage, read_vintage
from tests.support.fakes import MemoryObjects
from tests.support.hostile import SPAN, record, relinked
from tests.support.records import TABLES

Table = dict[str, np.ndarray]


def read(model: Model, name: str, change: Callable[[Table], Table]) -> Any:
    objects = record(model).objects
    key = f"{name}/month=2024-12/{SPAN[2]}.00.parquet"
    columns, metadata = TABLES.decode(name, objects[key])
    data = TABLES.encode(name, change(columns), metadata)
    store = MemoryObjects(relinked(objects, key, data))
    head = find_head(store)
    assert head is not None
    return read_issued(store, TABLES, head.manifest)


def cell(name: str, value: Any, row: int = 0) -> Callable[[Table], Table]:
    def change(columns: Table) -> Table:
        column = columns[name].copy()
        column[row] = value
        return {**columns, name: column}

    return change


def rows(selected: Any) -> Callable[[Table], Table]:
    return lambda columns: {name: column[selected] for name, column in columns.items()}


IMPOSSIBLE = {
    "price-nan": cell("prediction", np.nan),
    "price-infinite": cell("upper_98", np.inf),
    "price-zero": cell("lower_98", 0.0),
    "price-tiny": cell("lower_98", 5e-324),
    "price-negative": cell("lower_98", -1.0),
    "price-huge": cell("upper_98", 1.79e308),
    "prices-crossed": cell("lower_50", 1e3),
    "close-tiny": cell("last_close", 5e-324),
    "close-nan": cell("last_close", np.nan),
    "sigma-nan": cell("sigma", np.nan),
    "shortfall-nan": cell("es_975", np.nan),
    "mode-other": cell("mode", "backfill"),
    "origin-other": cell("origin_date", np.datetime64("2024-12-27")),
    "target-past": cell("target_date", np.datetime64("2024-12-30")),
    "target-far": cell("target_date", np.datetime64("2026-12-31")),
    "target-end-of-days": cell("target_date", np.datetime64(2**31 - 1, "D")),
    "target-other": cell("target_date", np.datetime64("2025-01-10")),
    "issued-later": cell("issued_at", np.datetime64("2024-12-31T00:00", "ms")),
    "issued-end-of-days": cell("issued_at", np.datetime64(2**62, "ms")),
    "horizon-other": cell("horizon", 6),
    "row-twice": rows([0, *range(10)]),
}
BESIDES = {
    "ticker-other": cell("ticker", "DIA"),
    "ticker-empty": cell("ticker", ""),
    "status-other": cell("status", "withheld:stale"),
    "status-empty": cell("status", ""),
    "rows-missing": rows(slice(1, None)),
    "rows-none": rows(slice(0)),
}


@pytest.mark.parametrize("name", ["forecasts", "baselines"])
@pytest.mark.parametrize("change", IMPOSSIBLE.values(), ids=list(IMPOSSIBLE))
def test_what_nobody_can_have_issued_is_refused(
    model: Model, name: str, change: Callable[[Table], Table]
) -> None:
    with pytest.raises(StoreError, match=f"{SPAN[2]}.*: expected"):
        read(model, name, change)


@pytest.mark.parametrize("change", BESIDES.values(), ids=list(BESIDES))
def test_forecasts_are_those_of_their_manifest(
    model: Model, change: Callable[[Table], Table]
) -> None:
    with pytest.raises(StoreError, match="the tickers, horizons and statuses of its manifest"):
        read(model, "forecasts", change)


@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1)])
def test_what_was_issued_is_read(model: Model, order: slice) -> None:
    forecasts, baselines = read(model, "forecasts", rows(order))
    assert set(forecasts["ticker"]) == set(baselines["ticker"]) == {"SPY", "QQQ"}


def test_what_is_withheld_has_no_prices(model: Model) -> None:
    store = record(model)
    head = find_head(store)
    assert head is not None
    assert np.isfinite(read_forecasts(store, TABLES, head.manifest)["prediction"]).all()


STATES = {
    "levels": (b'"log_gains":{', b'"log_gains":{"A":[[0,0,0,0,0,0,0,0,0,0]],'),
    "gain": (b'"log_gains":{', b'"log_gains":{"A":[[0,0,0,0,0,2,0,0,0,0,0]],'),
    "scored": (b'"scored":2', b'"scored":3'),
    "negative": (b'"scored":2', b'"scored":-2'),
    "sessions": (b'"recent_sessions":["2024-12-27",', b'"recent_sessions":['),
    "flags": (b'"covered_98":"11"', b'"covered_98":"1"'),
    "coverage": (b'"covered_98":"11"', b'"covered_97":"11"'),
    "units": (b'"forecaster":[', b'"forecaster":[7,'),
    "model": (b'"forecaster":[', b'"forecasts":['),
    "capital": (b'"log_wealth":{"ewma":[', b'"log_wealth":{"ewma":[0.5,'),
    "huge": (b'"ours":0.', b'"ours":1e300,"x":0.'),
    "part": (b'"part":0', b'"part":100'),
}


@pytest.mark.parametrize(("good", "bad"), STATES.values(), ids=list(STATES))
def test_a_state_whose_lists_do_not_go_together_is_refused(
    model: Model, good: bytes, bad: bytes
) -> None:
    data = record(model).objects[f"calibration/{SPAN[2]}.00.json"]
    assert good in data
    State.decode(data, "x")
    with pytest.raises(StoreError, match="x: expected a calibration state"):
        State.decode(data.replace(good, bad, 1), "x")


@pytest.mark.parametrize("day", ["1899-12-31", "2200-01-01", "9999-12-31"])
def test_bars_of_no_exchange_s_days_are_refused(model: Model, day: str) -> None:
    data = record(model).objects[f"bars/month=2024-12/{SPAN[2]}.00.parquet"]
    columns, metadata = TABLES.decode("bars", data)
    changed = TABLES.encode("bars", cell("session", np.datetime64(day))(columns), metadata)
    with pytest.raises(StoreError, match="expected sessions from 1900-01-01"):
        Vintage.decode(TABLES, changed)


@pytest.mark.parametrize(
    ("kept", "lacking"), [((), "QQQ, SPY"), (("SPY", "^VIX"), "QQQ"), (("QQQ", "SPY"), None)]
)
def test_a_vintage_without_bars_of_what_was_published_is_refused(
    model: Model, kept: tuple[str, ...], lacking: str | None
) -> None:
    objects = record(model).objects
    key = f"bars/month=2024-12/{SPAN[2]}.00.parquet"
    columns, metadata = TABLES.decode("bars", objects[key])
    data = TABLES.encode("bars", where(columns, np.isin(columns["ticker"], kept)), metadata)
    store = MemoryObjects(relinked(objects, key, data))
    head = find_head(store)
    assert head is not None
    if lacking is None:
        assert set(read_vintage(store, TABLES, head.manifest).bars) == set(kept)
    else:
        with pytest.raises(StoreError, match=f"published, found none of {lacking}$"):
            read_vintage(store, TABLES, head.manifest)


@pytest.mark.parametrize(
    "changes",
    [
        {"tickers": ["SPY", "SPY"]},
        {"tickers": []},
        {"tickers": ["\x00"]},
        {"tickers": ["SPY\n"]},
        {"failures": {"SPY": "nonsense"}},
        {"issued_at": "2024-12-30T22:00:00"},
        {"mode": "yesterday"},
    ],
    ids=str,
)
def test_a_reading_that_no_run_made_is_refused(model: Model, changes: dict[str, Any]) -> None:
    data = record(model).objects[f"bars/month=2024-12/{SPAN[2]}.00.parquet"]
    columns, metadata = TABLES.decode("bars", data)
    msgspec.json.decode(metadata["read"], type=ReadInfo)
    read_info = {**msgspec.json.decode(metadata["read"]), **changes}
    changed = TABLES.encode("bars", columns, {"read": to_json(read_info).decode()})
    with pytest.raises(StoreError, match="expected a vintage's metadata"):
        Vintage.decode(TABLES, changed)
