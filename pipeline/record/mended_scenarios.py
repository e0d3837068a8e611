"""Mended scenarios: those that were scored by closes that a source has changed since."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.bars import Flags, Sessions
from pipeline.columns import Columns, concatenate, where
from pipeline.errors import StoreError
from pipeline.ports import ObjectStore, Tables
from pipeline.record.chain import walk_back
from pipeline.record.issued_scenarios import IssuedScenarios, read_issued_scenarios
from pipeline.record.manifest import RunManifest
from pipeline.record.mended import MendedCloses
from pipeline.record.objects import read_verified
from pipeline.record.prior import PriorRecord
from pipeline.record.scenario_scores import TABLE, Outcomes, ScenarioScores, score_scenarios
from pipeline.scenarios.cube_columns import TABLE as SCENARIOS
from pipeline.scenarios.portfolios import EQUAL_WEIGHTS, JOINT, SCORED_HORIZONS
from pipeline.scenarios.score_draw import NUMBERS, OURS, TAILS


@dataclass(frozen=True, slots=True, eq=False)
class ScoredBefore:
    """A part's scenarios at a horizon, and the rows of their scores as they stand."""

    issued: IssuedScenarios
    horizon: int
    standing: Columns


def read_mended_scenarios(
    store: ObjectStore, tables: Tables, prior: PriorRecord, mended: MendedCloses
) -> tuple[ScoredBefore, ...]:
    """Return what was scored by closes that are mended, oldest origin first.

    Raises
    ------
    DamagedObject
        When an object that is needed is missing or not what its manifest names.
    """
    if not mended.changes:
        return ()
    sessions = np.unique(np.concatenate([change.session for change in mended.changes.values()]))
    scores, runs = _walk(store, tables, prior, sessions)
    if not scores:
        return ()
    rows = concatenate(scores)
    keys = dict.fromkeys(
        sorted(zip(*(rows[n].tolist() for n in ("origin_date", "part", "horizon")), strict=True))
    )
    return tuple(
        ScoredBefore(read_issued_scenarios(store, tables, run), key[2], _select(rows, key))
        for key in keys
        if (run := runs.get(key[:2])) is not None and _has_scenarios(run, prior)
    )


def rescore_scenarios(
    scored: Sequence[ScoredBefore], outcomes: Outcomes
) -> list[tuple[Columns, ScenarioScores]]:
    """Return what comes out otherwise by a part's vintage: the rows as they stood, and anew.

    A part and horizon is scored anew as a whole, if the vintage has all of its tickers.
    """
    anew = ((each, score_scenarios(each.issued, each.horizon, outcomes)) for each in scored)
    return [
        (each.standing, scores)
        for each, scores in anew
        if scores is not None and not _is_equal(each.standing, scores.columns)
    ]


def _is_equal(was: Columns, now: Columns) -> bool:
    return len(was["model"]) == len(now["model"]) and all(
        np.array_equal(was[name], now[name], equal_nan=True) for name in NUMBERS
    )


def _walk(
    store: ObjectStore, tables: Tables, prior: PriorRecord, sessions: Sessions
) -> tuple[list[Columns], dict[tuple[object, int], RunManifest]]:
    """Return the rows that rest on closes of these sessions, newest runs first, and the parts."""
    scores: list[Columns] = []
    runs: dict[tuple[object, int], RunManifest] = {}
    oldest, lost = sessions[0], {*prior.repairs.lost}
    for run in (linked.manifest for linked in walk_back(store, prior.link)):
        if run.session < oldest.item():
            break
        runs[run.session, run.part] = run
        # Where a state was lost, those after it know nothing of what its run had scored.
        if run.session >= sessions[0].item() and run.calibration not in lost:
            for rows in _read_rows(store, tables, run, sessions, prior):
                scores.append(rows)
                oldest = min(oldest, rows["origin_date"].min())
        lost |= run.lost.keys()
    return scores, runs


def _read_rows(
    store: ObjectStore, tables: Tables, run: RunManifest, sessions: Sessions, prior: PriorRecord
) -> Iterator[Columns]:
    key = run.table(TABLE)
    if key not in run.objects or key in prior.repairs.lost:
        return
    table = tables.decode(TABLE, read_verified(store, run, key))[0]
    if not _is_possible(table):
        raise StoreError(f"{store.url(key)}: expected scores of each vector and of equal weights")
    rows = where(table, _rests_on(table, sessions))
    if len(rows["model"]):
        yield rows


def _is_possible(table: Columns) -> bool:
    """Whether each vector has what running scores count of it, and only such numbers."""
    names = ("origin_date", "part", "horizon", "portfolio", "model")
    rows = list(zip(*(table[name].tolist() for name in names), strict=True))
    counted = {(*row[:3], *pair) for row in rows for pair in ((JOINT, OURS), (EQUAL_WEIGHTS, OURS))}
    joint = table["portfolio"] == JOINT
    energy = table["energy_score"][joint]
    exceeded = np.stack([table[f"exceeded_{level}"][~joint] for level in TAILS])
    possible = np.isfinite(energy).all() and np.isin(exceeded, (0.0, 1.0)).all()
    horizons = np.isin(table["horizon"], SCORED_HORIZONS).all()
    return bool(possible and horizons) and len(set(rows)) == len(rows) and counted <= set(rows)


def _rests_on(table: Columns, sessions: Sessions) -> Flags:
    """Return which rows are of paths that pass one of the sessions, bool (n,)."""
    first, last = (
        np.searchsorted(sessions, table[name], side="right")
        for name in ("origin_date", "target_date")
    )
    return np.asarray(last > first)


def _select(rows: Columns, key: tuple[object, ...]) -> Columns:
    """Return the newest rows of a part and horizon: those of the run that comes first."""
    origin, part, horizon = key
    of_key = rows["origin_date"] == np.datetime64(str(origin), "D")
    of_key &= (rows["part"] == part) & (rows["horizon"] == horizon)
    at = np.flatnonzero(of_key)
    pairs = [(rows["portfolio"][i], rows["model"][i]) for i in at.tolist()]
    newest = dict(zip(reversed(pairs), reversed(at.tolist()), strict=True))
    return {name: column[sorted(newest.values())] for name, column in rows.items()}


def _has_scenarios(run: RunManifest, prior: PriorRecord) -> bool:
    keys = [run.table(SCENARIOS), run.table("forecasts")]
    return all(key in run.objects and key not in prior.repairs.lost for key in keys)
