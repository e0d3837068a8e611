"""Mended closes: those that a source has changed since forecasts were scored by them.

A bad print that was published has scored forecasts and moved gains. The next part whose vintage has
the close mended scores those forecasts anew. What it needs is read back here, and only where
something is mended.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np

from pipeline.bars import Floats, RawBars, Sessions
from pipeline.columns import Columns, concatenate, take, where
from pipeline.evaluation.score_table import FORECASTER
from pipeline.ports import ObjectStore, Tables
from pipeline.record.chain import walk_back
from pipeline.record.issued import read_issued
from pipeline.record.manifest import OK, RunManifest
from pipeline.record.objects import read_verified
from pipeline.record.prior import LOOKED_BACK, PriorRecord
from pipeline.record.revisions import find_mended, requoting_factors
from pipeline.record.scoring import ScoredForecasts
from pipeline.record.vintage import Vintage, read_vintage

KEY = ("model", "ticker", "origin_date", "horizon")


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """A ticker's closes that came back changed: their sessions, and both as quoted now."""

    session: Sessions
    was: Floats
    now: Floats


@dataclass(frozen=True, slots=True, eq=False)
class ScoringRun:
    """What an earlier run scored by closes of some sessions, as its rows stand by now.

    `run` says which model learned from it.
    """

    run: RunManifest
    scored: ScoredForecasts


@dataclass(frozen=True, slots=True, eq=False)
class MendedCloses:
    """The changes by ticker, and all that was scored by closes of their sessions."""

    changes: Mapping[str, Change] = field(default_factory=dict)
    runs: Sequence[ScoringRun] = ()


NOTHING_MENDED = MendedCloses()


def read_mended(
    store: ObjectStore, tables: Tables, prior: PriorRecord, vintage: Vintage, session: date
) -> MendedCloses:
    """Return which closes a part's vintage mends, of those by which the record has scored.

    Raises
    ------
    DamagedObject
        When an object that is needed is missing or not what its manifest names.
    """
    believed = _read_believed(store, tables, prior, vintage, session)
    changes = {
        bars.ticker: change
        for bars in vintage.ticker_bars()
        if bars.ticker in believed and (change := _compare(bars, believed[bars.ticker])) is not None
    }
    if not changes:
        return NOTHING_MENDED
    sessions = np.unique(np.concatenate([change.session for change in changes.values()]))
    return MendedCloses(changes, tuple(_read_scoring_runs(store, tables, prior, sessions)))


def _compare(now: RawBars, then: RawBars) -> Change | None:
    rows = find_mended(now, then)
    if not len(rows):
        return None
    sessions, quoted = now.session[rows], then.close / requoting_factors(now, then)
    return Change(sessions, quoted[np.searchsorted(then.session, sessions)], now.close[rows])


def _read_believed(
    store: ObjectStore, tables: Tables, prior: PriorRecord, vintage: Vintage, session: date
) -> Mapping[str, RawBars]:
    """Return the bars by which each ticker was published last: no score is of newer ones.

    They are those of the vintage before, unless that withheld the ticker.
    """
    believed: dict[str, RawBars] = {}
    pending, sessions = set(vintage.info.tickers) & prior.bars.keys(), list[date]()
    for run in (linked.manifest for linked in walk_back(store, prior.link)):
        if run.session < session and run.session not in sessions:
            sessions.append(run.session)
        if not pending or len(sessions) > LOOKED_BACK:
            break
        published = pending & run.published
        pending -= published
        if published and run.table("bars") not in prior.repairs.lost:
            bars = prior.bars if len(sessions) == 1 else _read_bars(store, tables, run)
            believed |= {ticker: bars[ticker] for ticker in published}
    return believed


def _read_bars(store: ObjectStore, tables: Tables, run: RunManifest) -> Mapping[str, RawBars]:
    return read_vintage(store, tables, run).bars


def _read_scoring_runs(
    store: ObjectStore, tables: Tables, prior: PriorRecord, sessions: Sessions
) -> Iterator[ScoringRun]:
    """Yield what each run scored by closes of these sessions, oldest run first."""
    scoring, issuing = _find_runs(store, tables, prior, sessions)
    if not scoring:
        return
    lost = prior.repairs.lost
    issued = [
        _read_rows(store, tables, run, sessions, lost) for run in issuing if _is_there(run, lost)
    ]
    forecasts = concatenate(issued)
    issued_at = {key: row for row, key in enumerate(_list_keys(forecasts))}
    scores = concatenate([rows for _, rows in scoring])
    # The oldest run that has a row scored it first; the newest row of it is the one that counts.
    newest = {key: row for row, key in enumerate(_list_keys(scores)) if key in issued_at}
    left = dict(newest)
    for run, rows in scoring:
        keys = [key for key in _list_keys(rows) if key in left]
        standing = take(scores, [left.pop(key) for key in keys])
        of_run = take(forecasts, [issued_at[key] for key in keys])
        if keys:
            yield ScoringRun(run, ScoredForecasts(of_run, standing))


def _is_there(run: RunManifest, lost: Container[str]) -> bool:
    return bool(run.published) and run.table("forecasts") not in lost


def _find_runs(
    store: ObjectStore, tables: Tables, prior: PriorRecord, sessions: Sessions
) -> tuple[list[tuple[RunManifest, Columns]], list[RunManifest]]:
    """Return the runs that scored these sessions, oldest first, with the rows; and the issuing."""
    scoring: list[tuple[RunManifest, Columns]] = []
    issuing: list[RunManifest] = []
    oldest, lost = sessions[0], {*prior.repairs.lost}
    for run in (linked.manifest for linked in walk_back(store, prior.link)):
        if run.session < oldest.item():
            break
        issuing.append(run)
        # Where a state was lost, those after it know nothing of what its run had scored.
        if run.session >= sessions[0].item() and run.calibration not in lost:
            for rows in _read_scores(store, tables, run, sessions, prior.repairs.lost):
                scoring.insert(0, (run, rows))
                oldest = min(oldest, rows["origin_date"].min())
        lost |= run.lost.keys()
    return scoring, issuing


def _read_scores(
    store: ObjectStore, tables: Tables, run: RunManifest, sessions: Sessions, lost: Container[str]
) -> Iterator[Columns]:
    """Yield the rows of a run's scores whose targets are among these sessions, if any."""
    for key in run.objects:
        if key.startswith("scores/") and key not in lost:
            table = tables.decode("scores", read_verified(store, run, key))[0]
            rows = where(table, np.isin(table["target_date"], sessions))
            if len(rows["ticker"]):
                yield rows


def _read_rows(
    store: ObjectStore, tables: Tables, run: RunManifest, sessions: Sessions, lost: Container[str]
) -> Columns:
    """Return what a run issued for these sessions, with `model`."""
    forecasts, *baselines = read_issued(store, tables, run, lost)
    model = np.full(len(forecasts["ticker"]), FORECASTER, object)
    table = concatenate([{**forecasts, "model": model}, *baselines])
    issued = (table["status"] == OK) & np.isin(table["target_date"], sessions)
    return where(table, issued)


def _list_keys(table: Columns) -> list[tuple[Any, ...]]:
    return list(zip(*(table[name].tolist() for name in KEY), strict=True))
