"""latest.json: the serving view of the newest session, built from its committed parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import msgspec
import numpy as np

from pipeline.bars import Floats
from pipeline.columns import Columns, group_rows, take
from pipeline.forecasting.levels import INTERVALS
from pipeline.ports import ObjectStore, Tables
from pipeline.record.issued import read_forecasts
from pipeline.record.manifest import OK, RunManifest, join_notes, read_manifests
from pipeline.record.notes import NoteCode, select_notes
from pipeline.record.state import State, read_state
from pipeline.views.documents import HorizonForecast, Latest, TickerForecast, WidthChange

SCHEMA_VERSION = 1

CommittedPart = tuple[RunManifest, Columns, State]


def build_latest(store: ObjectStore, tables: Tables, session: date) -> Latest:
    """Return what latest.json says of `session`, from what is committed of it."""
    runs = read_manifests(store, session)
    forecasts = [read_forecasts(store, tables, run) for run in runs]
    states = [read_state(store, run) for run in runs]
    tickers = _build_tickers(list(zip(runs, forecasts, states, strict=True)))
    return Latest(
        SCHEMA_VERSION,
        session,
        runs[-1].source,
        dict(sorted(tickers.items())),
        next_sessions=tuple(np.unique(forecasts[0]["target_date"]).tolist()),
        notes=join_notes(runs),
    )


def with_width_changes(latest: Latest, changes: Mapping[str, WidthChange]) -> Latest:
    """Return the view with how intervals changed, of the tickers of which that is known."""
    tickers = {
        ticker: msgspec.structs.replace(forecast, width_change=changes.get(ticker))
        for ticker, forecast in latest.tickers.items()
    }
    return msgspec.structs.replace(latest, tickers=tickers)


def _build_tickers(parts: Sequence[CommittedPart]) -> dict[str, TickerForecast]:
    tickers = {}
    for run, forecasts, state in parts:
        gains = state.calibration.gains_of(list(run.tickers), run.horizons)
        rows = group_rows(forecasts["ticker"])
        for row, ticker in enumerate(run.tickers):
            of_ticker = take(forecasts, rows[ticker])
            tickers[ticker] = _build_ticker(of_ticker, run, gains[row])
    return tickers


def _build_ticker(rows: Columns, run: RunManifest, gains: Floats) -> TickerForecast:
    """Return a ticker's forecast, a row per horizon, or only its status where it is withheld."""
    status, version = rows["status"][0], rows["model_version"][0]
    if status != OK:
        return TickerForecast(status, version, run.issued_at)
    notes = select_notes(run.notes, str(rows["ticker"][0]))
    return TickerForecast(
        status,
        version,
        run.issued_at,
        last_close=float(rows["last_close"][0]),
        horizons=tuple(_build_horizon(rows, row) for row in range(len(rows["horizon"]))),
        # Horizon by level: what an answer from bars needs to equal the published forecast.
        gains=tuple(map(tuple, gains.tolist())),
        currency=run.currencies.get(rows["ticker"][0]),
        proven=not any(note.code == NoteCode.UNPROVEN for note in notes),
    )


def _build_horizon(rows: Columns, row: int) -> HorizonForecast:
    return HorizonForecast(
        horizon=int(rows["horizon"][row]),
        target_date=rows["target_date"][row].item(),
        prediction=float(rows["prediction"][row]),
        sigma=float(rows["sigma"][row]),
        intervals={
            str(coverage): (
                float(rows[f"lower_{coverage}"][row]),
                float(rows[f"upper_{coverage}"][row]),
            )
            for coverage in INTERVALS
        },
    )
