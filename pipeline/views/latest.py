"""latest.json: the serving view of the newest session, built from its committed parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import msgspec
import numpy as np

from pipeline.columns import Columns, group_rows
from pipeline.forecasting.levels import INTERVALS
from pipeline.ports import ObjectStore, Tables
from pipeline.record.issued import read_forecasts
from pipeline.record.manifest import OK, RunManifest, join_notes, read_manifests
from pipeline.record.notes import NoteCode, find_noted
from pipeline.record.state import State, read_state
from pipeline.views.documents import HorizonForecast, Latest, TickerForecast, WidthChange

SCHEMA_VERSION = 1

_LIMITS = [(str(coverage), f"lower_{coverage}", f"upper_{coverage}") for coverage in INTERVALS]
_READ = (
    *("ticker", "status", "model_version", "last_close", "horizon", "target_date"),
    *("prediction", "sigma", *(name for _, *limits in _LIMITS for name in limits)),
)

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
        gains = state.calibration.gains_of(list(run.tickers), run.horizons).tolist()
        rows = group_rows(forecasts["ticker"])
        columns = {name: forecasts[name].tolist() for name in _READ}
        unproven = find_noted(run.notes, NoteCode.UNPROVEN)
        for row, ticker in enumerate(run.tickers):
            of_ticker = rows[ticker].tolist()
            tickers[ticker] = _build_ticker(
                columns, of_ticker, run, gains[row], proven=ticker not in unproven
            )
    return tickers


def _build_ticker(
    columns: Mapping[str, list[Any]],
    rows: Sequence[int],
    run: RunManifest,
    gains: Sequence[Sequence[float]],
    *,
    proven: bool,
) -> TickerForecast:
    """Return a ticker's forecast, a row per horizon, or only its status where it is withheld."""
    first = rows[0]
    status, version = columns["status"][first], columns["model_version"][first]
    if status != OK:
        return TickerForecast(status, version, run.issued_at)
    return TickerForecast(
        status,
        version,
        run.issued_at,
        last_close=columns["last_close"][first],
        horizons=tuple(_build_horizon(columns, row) for row in rows),
        # Horizon by level: what an answer from bars needs to equal the published forecast.
        gains=tuple(map(tuple, gains)),
        currency=run.currencies.get(columns["ticker"][first]),
        proven=proven,
    )


def _build_horizon(columns: Mapping[str, list[Any]], row: int) -> HorizonForecast:
    return HorizonForecast(
        horizon=columns["horizon"][row],
        target_date=columns["target_date"][row],
        prediction=columns["prediction"][row],
        sigma=columns["sigma"][row],
        intervals={
            name: (columns[lower][row], columns[upper][row]) for name, lower, upper in _LIMITS
        },
    )
