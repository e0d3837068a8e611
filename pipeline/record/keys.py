"""Keys: where each object of the record lies in the store."""

from __future__ import annotations

from datetime import date

LATEST = "latest.json"
TRACK_RECORD = "track_record.json"
DASHBOARD = "index.html"


def table_key(table: str, session: date, part: int) -> str:
    """Return the key of a Parquet table: `forecasts/month=2026-11/2026-11-20.00.parquet`."""
    return f"{table}/month={session:%Y-%m}/{session}.{part:02d}.parquet"


def manifest_key(session: date, part: int) -> str:
    """Return the key of a part's manifest: `runs/2026-11-20.00.json`."""
    return f"runs/{session}.{part:02d}.json"


def calibration_key(session: date, part: int) -> str:
    """Return the key of the calibrator's state: `calibration/2026-11-20.00.json`."""
    return f"calibration/{session}.{part:02d}.json"


def scores_key(month: str, session: date, part: int) -> str:
    """Return the key of scores by the month of their targets and the run that realised them."""
    return f"scores/month={month}/{session}.{part:02d}.parquet"


def bundle_keys(model_version: str, manifest_sha256: str) -> tuple[str, str]:
    """Return the keys of a bundle's manifest and of its ONNX file.

    Equal ONNX files may come with other manifests, whose baselines' parameters differ.
    """
    folder = f"bundles/{model_version}"
    return f"{folder}/manifest.{manifest_sha256[:12]}.json", f"{folder}/model.onnx"
