"""Keys: where each object of the record lies in the store.

A part of a session is numbered from 0; what belongs to it is named `DATE.PART`.
"""

from __future__ import annotations

from datetime import date

from pipeline.errors import StoreError

LATEST = "latest.json"
TRACK_RECORD = "track_record.json"
DASHBOARD = "index.html"
RUNS = "runs/"
CLAIMS = "claims/"
PLANS = "backfills/"
PARTS = 100  # of a session: their numbers have two digits, so that keys sort as they do


def table_key(table: str, session: date, part: int) -> str:
    """Return the key of a Parquet table: `forecasts/month=2026-11/2026-11-20.00.parquet`."""
    return f"{_table_prefix(table, session)}.{_number(part)}.parquet"


def manifest_key(session: date, part: int) -> str:
    """Return the key of a part's manifest: `runs/2026-11-20.00.json`."""
    return f"{session_prefix(session)}{_number(part)}.json"


def session_prefix(session: date) -> str:
    """Return what the keys of a session's manifests begin with, and no others."""
    return f"{RUNS}{session}."


def calibration_key(session: date, part: int) -> str:
    """Return the key of the calibrator's state: `calibration/2026-11-20.00.json`."""
    return f"calibration/{session}.{_number(part)}.json"


def scores_key(month: str, session: date, part: int) -> str:
    """Return the key of scores by the month of their targets and the run that realised them."""
    return f"scores/month={month}/{session}.{_number(part)}.parquet"


def claim_key(previous: str | None) -> str:
    """Return the key of the claim to follow the manifest whose sha256 is `previous`."""
    return f"{CLAIMS}{previous or 'first'}.json"


def plan_key(first: date) -> str:
    """Return the key of the plan of the backfill that begins with session `first`."""
    return f"{PLANS}{first}.json"


def bundle_keys(model_version: str, manifest_sha256: str) -> tuple[str, str]:
    """Return the keys of a bundle's manifest and of its ONNX file.

    Equal ONNX files may come with other manifests, whose baselines' parameters differ.
    """
    folder = bundle_folder(model_version)
    return f"{folder}manifest.{manifest_sha256[:12]}.json", f"{folder}model.onnx"


def bundle_folder(model_version: str) -> str:
    """Return what the keys of a model's bundles begin with."""
    return f"bundles/{model_version}/"


def session_of(manifest: str) -> date:
    """Return the session of a manifest's key."""
    return date.fromisoformat(manifest.removeprefix(RUNS)[:10])


def from_session(table: str, session: date) -> str:
    """Return what a table's keys from this session on sort after, and those before it do not."""
    return _table_prefix(table, session)


def after_session(table: str, session: date) -> str:
    """Return what a table's keys of later sessions sort after, and its own do not."""
    return f"{_table_prefix(table, session)}~"


def _table_prefix(table: str, session: date) -> str:
    return f"{table}/month={session.isoformat()[:7]}/{session}"


def _number(part: int) -> str:
    if not 0 <= part < PARTS:
        raise StoreError(f"expected at most {PARTS} parts of a session, got number {part}")
    return f"{part:02d}"
