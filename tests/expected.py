"""What a daily run of 2024-12-27 is invoked with and leaves behind, wherever it runs."""

from __future__ import annotations

import json
from pathlib import Path

EVENTS = Path(__file__).resolve().parent / "golden" / "events"
EVENT_FILE = EVENTS / "schedule.json"
SCHEDULE = json.loads(EVENT_FILE.read_text())
SCHEDULE_INPUT = json.loads((EVENTS / "schedule_input.json").read_text())
FORECASTS = "forecasts/month=2024-12/2024-12-27.00.parquet"
KEYS = [
    "bars/month=2024-12/2024-12-27.00.parquet",
    FORECASTS,
    "latest.json",
    "runs/2024-12-27.00.json",
]
METRICS = {
    "forecasts_published",
    "tickers_withheld",
    "session_complete",
    "source_latency",
    "data_lag_sessions",
    "run_duration",
}
