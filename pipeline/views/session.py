"""Published: a session's forecasts as they lie in the store, read back for whoever shows them."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date
from typing import Any

import msgspec
import numpy as np

from pipeline.columns import Columns, concatenate, where
from pipeline.forecasting.bundle import trained_until
from pipeline.ports import ObjectStore, Tables
from pipeline.record.issued import read_forecasts
from pipeline.record.manifest import (
    OK,
    RunManifest,
    join_notes,
    last_statuses,
    read_manifests,
    reasons_of,
)


@dataclass(frozen=True, slots=True, eq=False)
class SessionForecasts:
    """What the parts of one session say.

    Attributes
    ----------
    runs : manifests of the parts, in order
    urls : (forecasts, manifest) of each part
    forecasts : columns of the forecasts table, only the rows with a forecast
    next_sessions : those after it, as far as forecasts go
    """

    session: date
    runs: tuple[RunManifest, ...]
    urls: tuple[tuple[str, str], ...]
    forecasts: Columns
    next_sessions: tuple[date, ...] = ()

    @property
    def source(self) -> str:
        """Label of the source, or of each where parts came from several."""
        return " and ".join(dict.fromkeys(run.source for run in self.runs))

    @property
    def withheld(self) -> dict[str, str]:
        """Ticker -> reason, as the newest part that names a ticker has it."""
        return reasons_of(last_statuses(self.runs))

    @property
    def notes(self) -> list[str]:
        """What a reader must know before believing the forecasts."""
        notes = [note.text for note in join_notes(self.runs)]
        versions = [version for run in self.runs for version in run.model_versions]
        trained = max(map(trained_until, versions), default="")
        if trained <= str(self.session):
            return notes
        return [
            f"trained on data up to {trained}, after this origin: shows the mechanics, "
            "proves nothing",
            *notes,
        ]

    @property
    def currencies(self) -> Mapping[str, str]:
        """Ticker -> what its prices are in, where the source says it."""
        return {ticker: code for run in self.runs for ticker, code in run.currencies.items()}

    def only(self, tickers: Container[str]) -> SessionForecasts:
        """Return the same of some tickers' forecasts alone."""
        kept = [ticker in tickers for ticker in self.forecasts.get("ticker", ())]
        return replace(self, forecasts=where(self.forecasts, np.array(kept, bool)))

    def document(self) -> dict[str, Any]:
        """Return all of it as plain values, ready for JSON."""
        parts = [
            {"manifest": manifest, "forecasts": forecasts, **msgspec.to_builtins(run)}
            for run, (forecasts, manifest) in zip(self.runs, self.urls, strict=True)
        ]
        return {
            "session": self.session,
            "source": self.source,
            "notes": self.notes,
            "parts": parts,
            "forecasts": self.rows(),
        }

    def rows(self) -> list[Mapping[str, Any]]:
        """Return the forecasts row by row, as plain values."""
        names = list(self.forecasts)
        values = [_to_plain(column) for column in self.forecasts.values()]
        return [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]


def read_session(store: ObjectStore, tables: Tables, session: date) -> SessionForecasts:
    """Return what is published of `session`; raises StoreError for what no run wrote."""
    runs = tuple(read_manifests(store, session))
    parts = [read_forecasts(store, tables, run) for run in runs]
    forecasts = concatenate([where(part, part["status"] == OK) for part in parts]) if parts else {}
    urls = ((store.url(r.table("forecasts")), store.url(r.key)) for r in runs)
    targets = np.unique(parts[0]["target_date"]).tolist() if parts else []
    return SessionForecasts(session, runs, tuple(urls), forecasts, tuple(targets))


def _to_plain(column: np.ndarray) -> list[Any]:
    values: list[Any] = column.tolist()
    if column.dtype == np.dtype("datetime64[ms]"):
        return [value.replace(tzinfo=UTC) for value in values]
    return values
