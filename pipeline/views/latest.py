"""latest.json: the serving view of the newest session, built from what is committed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np

from pipeline.bars import Flags, Floats
from pipeline.columns import Columns
from pipeline.forecasting.levels import INTERVALS
from pipeline.ports import ObjectStore, Tables
from pipeline.record.manifest import SCHEMA_VERSION, RunManifest, read_forecasts, read_manifests
from pipeline.record.state import State, read_state
from pipeline.record.tables import OK


def build_latest(store: ObjectStore, tables: Tables, session: date) -> dict[str, Any]:
    """Return what latest.json says of `session`, from what is committed of it."""
    runs = read_manifests(store, session)
    parts = [read_forecasts(store, tables, run) for run in runs]
    states = [read_state(store, run) for run in runs]
    return _build_document(session, list(zip(runs, parts, states, strict=True)))


def _build_document(
    session: date, parts: Sequence[tuple[RunManifest, Columns, State]]
) -> dict[str, Any]:
    tickers: dict[str, Any] = {}
    for run, part, state in parts:
        gains = state.calibration.of(list(run.tickers), run.horizons)
        for row, ticker in enumerate(run.tickers):
            tickers[ticker] = _build_ticker(part, part["ticker"] == ticker, run, gains[row])
    return {
        "schema_version": SCHEMA_VERSION,
        "session": session,
        "source": parts[-1][0].source,
        "tickers": {ticker: tickers[ticker] for ticker in sorted(tickers)},
    }


def _build_ticker(part: Columns, rows: Flags, run: RunManifest, gains: Floats) -> Mapping[str, Any]:
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
        "horizons": [_build_horizon(part, int(row)) for row in np.flatnonzero(rows)],
        # Horizon by level: what an answer from bars needs to equal the published forecast.
        "gains": gains.tolist(),
    }


def _build_horizon(part: Columns, row: int) -> Mapping[str, Any]:
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
