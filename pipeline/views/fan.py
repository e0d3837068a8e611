"""Fan: a ticker's last sessions with what was forecast of each, and what is forecast to come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from pipeline.bars import RawBars
from pipeline.columns import Columns, where
from pipeline.errors import RequestError, StoreError
from pipeline.evaluation.score_table import FORECASTER
from pipeline.ports import ObjectStore, Tables
from pipeline.record.issued import read_forecasts
from pipeline.record.manifest import Mode, RunManifest, last_statuses, read_manifests, reason_of
from pipeline.record.revisions import split_factor_since
from pipeline.record.vintage import read_vintage
from pipeline.views.rows import SCORES, Selection, read_rows

SESSIONS = 60
EVERY_MODE = tuple(Mode)


@dataclass(frozen=True, slots=True, eq=False)
class Fan:
    """One ticker up to a session and beyond.

    Attributes
    ----------
    past : session, close, lower_95 and upper_95 of the last sessions, oldest first, as prices are
        quoted on `session`; NaN where no forecast of a session is on the record
    ahead : rows of the forecasts table from `session`, by horizon
    made : how the forecasts ahead were issued
    past_modes, in_sample : how those of the past were, and of how many the model had learnt
    """

    ticker: str
    session: date
    source: str
    past: Columns
    ahead: Columns
    made: Mode
    past_modes: tuple[Mode, ...]
    in_sample: int


def read_fans(
    store: ObjectStore,
    tables: Tables,
    session: date,
    tickers: Sequence[str],
    sessions: int = SESSIONS,
) -> list[Fan]:
    """Return the fans of tickers from a session on the record.

    Raises
    ------
    RequestError
        For a ticker that no part of the session names, or that is withheld in it.
    StoreError
        When an object is missing, or not what its manifest names.
    """
    runs = read_manifests(store, session)
    statuses = last_statuses(runs)
    for ticker in tickers:
        _require_forecast(ticker, statuses, session)
    parts = {ticker: _find_part(runs, ticker) for ticker in tickers}
    read = {run.key: (run, read_vintage(store, tables, run).bars) for run in parts.values()}
    bars = {ticker: read[parts[ticker].key][1][ticker] for ticker in tickers}
    issued = {key: read_forecasts(store, tables, run) for key, (run, _) in read.items()}
    scores = _read_scores(store, tables, bars, session, sessions)
    return [
        _build_fan(parts[ticker], bars[ticker], issued[parts[ticker].key], scores, sessions)
        for ticker in tickers
    ]


def _require_forecast(ticker: str, statuses: Mapping[str, str], session: date) -> None:
    if ticker not in statuses:
        few = ", ".join(sorted(statuses)[:10])
        raise RequestError(f"{ticker}: expected a ticker of {session}, which are {few}")
    if reason := reason_of(statuses[ticker]):
        raise RequestError(f"{ticker}: expected a forecast from {session}, withheld: {reason}")


def _find_part(runs: Sequence[RunManifest], ticker: str) -> RunManifest:
    """Return the part that published a ticker."""
    for run in runs:
        if ticker in run.published:
            return run
    raise StoreError(f"expected a part to publish {ticker}, found none")


def _read_scores(
    store: ObjectStore,
    tables: Tables,
    bars: Mapping[str, RawBars],
    session: date,
    sessions: int,
) -> Columns:
    """Return our scores one session ahead of the last sessions of any of the tickers."""
    first = min(raw.session[-sessions:][0] for raw in bars.values()).item()
    wanted = Selection(first, session, tuple(bars), (1,), EVERY_MODE, in_sample=True)
    scores = read_rows(store, tables, SCORES, wanted)
    return where(scores, scores["model"] == FORECASTER)


def _build_fan(
    run: RunManifest, raw: RawBars, forecasts: Columns, scores: Columns, sessions: int
) -> Fan:
    ours = where(scores, scores["ticker"] == raw.ticker)
    shown = raw.rows(np.isfinite(raw.close))
    ours = where(ours, np.isin(ours["target_date"], shown.session[-sessions:]))
    return Fan(
        ticker=raw.ticker,
        session=run.session,
        source=run.source,
        past=_build_past(shown, ours, sessions),
        ahead=where(forecasts, forecasts["ticker"] == raw.ticker),
        made=run.mode,
        past_modes=tuple(mode for mode in Mode if (ours["mode"] == mode.value).any()),
        in_sample=int(ours["in_sample"].sum()),
    )


def _build_past(raw: RawBars, ours: Columns, sessions: int) -> Columns:
    """Return the last closes with the intervals of their days, splits since undone."""
    days = raw.session[-sessions:]
    past = {
        "session": days,
        "close": raw.close[-sessions:].copy(),
        "lower_95": np.full(len(days), np.nan),
        "upper_95": np.full(len(days), np.nan),
    }
    at = np.searchsorted(days, ours["target_date"])
    factor = split_factor_since(raw, ours["origin_date"])
    names = {"close": "realised_close", "lower_95": "lower_95", "upper_95": "upper_95"}
    for name, scored in names.items():
        past[name][at] = ours[scored] / factor
    return past
