"""What a daily run of 2024-12-27 is invoked with and leaves behind, wherever it runs."""

from __future__ import annotations

import json
from pathlib import Path

from pipeline.encoding import sha256, to_json
from pipeline.forecasting.bundle import load_bundle
from pipeline.record.keys import bundle_keys

EVENTS = Path(__file__).resolve().parents[1] / "golden" / "events"
EVENT_FILE = EVENTS / "schedule.json"
SCHEDULE = json.loads(EVENT_FILE.read_text())
SCHEDULE_INPUT = json.loads((EVENTS / "schedule_input.json").read_text())
FORECASTS = "forecasts/month=2024-12/2024-12-27.00.parquet"
MANIFEST = "runs/2024-12-27.00.json"
VIEWS = {"history.json", "index.html", "latest.json", "scenarios.bin", "track_record.json"}
_BUNDLE = load_bundle(Path(__file__).resolve().parents[2] / "models" / "default")
KEYS = sorted(
    [
        "bars/month=2024-12/2024-12-27.00.parquet",
        "baselines/month=2024-12/2024-12-27.00.parquet",
        *bundle_keys(_BUNDLE.version, sha256(to_json(_BUNDLE.manifest))),
        "calibration/2024-12-27.00.json",
        "claims/first.json",
        "store.json",
        FORECASTS,
        "scenarios/month=2024-12/2024-12-27.00.parquet",
        "templates/month=2024-12/2024-12-27.00.parquet",
        MANIFEST,
        *VIEWS,
    ]
)
METRICS = {
    "forecasts_published",
    "tickers_withheld",
    "surprises",
    "notes",
    "session_complete",
    "source_latency",
    "data_lag_sessions",
    "run_duration",
}
