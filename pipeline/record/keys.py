"""Keys: where each object of the record lies in the store.

A part of a session is numbered from 0; what belongs to it is named `DATE.PART`.
"""

from __future__ import annotations

from datetime import date

from pipeline.errors import StoreError

STORE = "store.json"
UNIVERSE = "universe.json"  # at the root of a universe, whose shards are stores
SHARD = "universe.shard.json"  # beside it, where the store is a shard of a universe
LATEST = "latest.json"
TRACK_RECORD = "track_record.json"
HISTORY = "history.json"
SCENARIOS = "scenarios.bin"
DASHBOARD = "index.html"
VIEWS = (LATEST, TRACK_RECORD, HISTORY, SCENARIOS, DASHBOARD)
ANNOUNCED = "announced.json"  # which manifest others were told of last
RUNS = "runs/"
BARS = "bars/"
BUNDLES = "bundles/"
CLAIMS = "claims/"
PLANS = "backfills/"
LOSSES = "losses/"
SIGNATURES = "signatures/"
COMPACT = "compact/"  # whole months for readers, which nothing of the record rests on
MOST_PARTS = 100  # of a session, and plans that begin with it: two digits, so that keys sort


def part_name(session: date, part: int) -> str:
    """Return by which name the objects of a part are called: `2026-11-20.00`."""
    if not 0 <= part < MOST_PARTS:
        raise StoreError(f"expected at most {MOST_PARTS} parts of a session, got number {part}")
    return f"{session}.{part:02d}"


def table_key(table: str, session: date, part: int) -> str:
    """Return the key of a Parquet table: `forecasts/month=2026-11/2026-11-20.00.parquet`."""
    return f"{table}/month={session.isoformat()[:7]}/{part_name(session, part)}.parquet"


def manifest_key(session: date, part: int) -> str:
    """Return the key of a part's manifest: `runs/2026-11-20.00.json`."""
    return f"{RUNS}{part_name(session, part)}.json"


def session_prefix(session: date) -> str:
    """Return what the keys of a session's manifests begin with, and no others."""
    return f"{RUNS}{session}."


def calibration_key(session: date, part: int) -> str:
    """Return the key of the calibrator's state: `calibration/2026-11-20.00.json`."""
    return f"calibration/{part_name(session, part)}.json"


def scores_key(month: str, session: date, part: int) -> str:
    """Return the key of scores by the month of their targets and the run that realised them."""
    return f"scores/month={month}/{part_name(session, part)}.parquet"


def claim_key(previous: str | None) -> str:
    """Return the key of the claim to follow the manifest whose sha256 is `previous`."""
    return f"{CLAIMS}{previous or 'first'}.json"


def plan_key(first: date, number: int) -> str:
    """Return the key of a plan of a backfill that begins with session `first`, from 0."""
    return f"{PLANS}{part_name(first, number)}.json"


def loss_key(sha256: str) -> str:
    """Return the key of the loss of the object whose bytes had that sha256."""
    return f"{LOSSES}{sha256}.json"


def compact_key(table: str, month: str) -> str:
    """Return the key of a month in one file: `compact/scores/month=2026-11/2026-11.parquet`."""
    return f"{COMPACT}{table}/month={month}/{month}.parquet"


def signature_key(digest: str) -> str:
    """Return the key of the signature of the manifest whose sha256 is `digest`."""
    return f"{SIGNATURES}{digest}.sig"


def bundle_keys(model_version: str, manifest_sha256: str) -> tuple[str, str]:
    """Return the keys of a bundle's manifest and of its ONNX file.

    Equal ONNX files may come with other manifests, whose baselines' parameters differ.
    """
    folder = bundle_folder(model_version)
    return f"{folder}manifest.{manifest_sha256[:12]}.json", f"{folder}model.onnx"


def bundle_folder(model_version: str) -> str:
    """Return what the keys of a model's bundles begin with."""
    return f"{BUNDLES}{model_version}/"


def number_prefix(key: str) -> str:
    """Return what a part's key has in common with its like of other numbers."""
    return f"{key.rpartition('.')[0].rpartition('.')[0]}."


def session_of(manifest: str) -> date:
    """Return the session of a manifest's key."""
    return date.fromisoformat(manifest.removeprefix(RUNS)[:10])


def from_session(table: str, session: date) -> str:
    """Return what a table's keys from this session on sort after, and those before it do not."""
    return _table_prefix(table, session)


def _table_prefix(table: str, session: date) -> str:
    return f"{table}/month={session.isoformat()[:7]}/{session}"
