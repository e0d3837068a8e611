"""latest.json: the serving view of the newest session, built from what is committed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import msgspec
import numpy as np

from pipeline.intervals import INTERVALS
from pipeline.ports import Columns, ObjectStore, Tables
from pipeline.record import (
    LATEST,
    SCHEMA_VERSION,
    RunManifest,
    committed,
    read_forecasts,
    to_json,
)
from pipeline.tables import OK


def refresh_latest(store: ObjectStore, tables: Tables, session: date) -> None:
    """Make latest.json show `session`, unless it already shows a newer one.

    Writes, then looks again: of two runs at once, the one that writes last also looks last, so
    neither leaves behind a view without the other's part.
    """
    while (view := _view(store, tables, session)) is not None and store.read(LATEST) != view:
        store.replace(LATEST, view)


def latest_session(store: ObjectStore) -> date | None:
    """Return the session latest.json shows, None without one or for one that is damaged.

    The view can always be made again from what is committed, so damage is no error.
    """
    try:
        return msgspec.json.decode(store.read(LATEST) or b"", type=_Shown).session
    except msgspec.DecodeError:
        return None


class _Shown(msgspec.Struct):
    session: date


def _view(store: ObjectStore, tables: Tables, session: date) -> bytes | None:
    runs = committed(store, session)
    shown = latest_session(store)
    if not runs or (shown is not None and shown > session):
        return None
    parts = [read_forecasts(store, tables, run) for run in runs]
    return to_json(_content(session, runs, parts))


def _content(session: date, runs: Sequence[RunManifest], parts: Sequence[Columns]) -> Any:
    tickers: dict[str, Any] = {}
    for run, part in zip(runs, parts, strict=True):
        for ticker in run.tickers:
            tickers[ticker] = _ticker(part, part["ticker"] == ticker, run)
    return {
        "schema_version": SCHEMA_VERSION,
        "session": session,
        "source": runs[-1].source,
        "tickers": {ticker: tickers[ticker] for ticker in sorted(tickers)},
    }


def _ticker(part: Columns, rows: np.ndarray, run: RunManifest) -> Mapping[str, Any]:
    head = {
        "status": part["status"][rows][0],
        "model_version": run.model_version,
        "issued_at": run.issued_at,
    }
    if head["status"] != OK:
        return head
    return {
        **head,
        "last_close": float(part["last_close"][rows][0]),
        "horizons": [_horizon(part, int(row)) for row in np.flatnonzero(rows)],
    }


def _horizon(part: Columns, row: int) -> Mapping[str, Any]:
    return {
        "horizon": int(part["horizon"][row]),
        "target_date": part["target_date"][row].item(),
        "prediction": float(part["prediction"][row]),
        "sigma": float(part["sigma"][row]),
        "intervals": {
            str(coverage): [float(part[f"{side}_{coverage}"][row]) for side in ("lower", "upper")]
            for coverage in INTERVALS
        },
    }
