"""The golden forecast: fixed bars and a small real bundle give the same table for ever."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np

from pipeline.adapters.parquet.parquet_tables import ParquetTables
from pipeline.forecasting.bundle import load_bundle
from pipeline.forecasting.calibration import NEUTRAL
from pipeline.forecasting.forecast import forecast
from pipeline.forecasting.model import Model
from pipeline.record.manifest import Mode
from pipeline.record.tables import Stamp, build_forecast_columns
from tests.support.builders import bars

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
STAMP = Stamp(
    origin_date=date(2024, 12, 27),
    target_dates=tuple(date(2024, 12, 30 + i) for i in range(2))
    + tuple(date(2025, 1, day) for day in (2, 3, 6)),
    model_version="golden",
    vintage_sha256="0" * 64,
    issued_at=datetime(2024, 12, 27, 23, 30, tzinfo=UTC),
    mode=Mode.LIVE,
)


def made() -> dict[str, list[object]]:
    model = Model(load_bundle(GOLDEN / "bundle"))
    came = forecast([bars("SPY"), bars("IWM")], model, NEUTRAL)
    columns = build_forecast_columns(came, {"QQQ": "stale"}, STAMP)
    decoded, _ = ParquetTables().decode(
        "forecasts", ParquetTables().encode("forecasts", columns, {})
    )
    return {
        name: [None if value in (None, "nan") else value for value in _plain(column)]
        for name, column in decoded.items()
    }


def _plain(column: np.ndarray) -> list[object]:
    values = column.tolist()
    return [str(v) if isinstance(v, (date, datetime)) or str(v) == "nan" else v for v in values]


def test_the_golden_forecast_is_made_again() -> None:
    golden = json.loads((GOLDEN / "forecasts.json").read_text())
    came = made()
    assert list(came) == list(golden)
    for name, values in golden.items():
        if isinstance(values[0], float):
            np.testing.assert_allclose(
                np.array(came[name], float), np.array(values, float), rtol=1e-6, err_msg=name
            )
        else:
            assert came[name] == values, name
