"""Rescoring: forecasts that were scored by a bad print, scored anew by the close it was mended to.

What was written stays. The corrected rows are those of the newer run; gains and running scores
become what they had been, had the right close been there at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.bars import Bars
from pipeline.columns import Columns, concatenate, take, where
from pipeline.evaluation.score_table import FORECASTER
from pipeline.forecasting.bundle import Manifest
from pipeline.forecasting.calibration import correct_log_gains
from pipeline.grid import round_decimals, to_digits
from pipeline.record.correction import Correction
from pipeline.record.manifest import Mode
from pipeline.record.mended import Change, MendedCloses, ScoringRun
from pipeline.record.running_scores import RunningScores
from pipeline.record.running_scores_corrected import correct_scores
from pipeline.record.scoring import recover_quantiles, score_realised
from pipeline.record.state import Gains, State


@dataclass(frozen=True, slots=True, eq=False)
class Rescored:
    """An earlier run's scores, of which some rows were made again.

    `rows` int (k,) are those that came out otherwise; `after` has all rows as they stand now.
    """

    run: ScoringRun
    rows: NDArray[np.int64]
    after: Columns

    @property
    def new(self) -> Columns:
        """The corrected rows, scores columns."""
        return take(self.after, self.rows)


def rescore(mended: MendedCloses, bars: Sequence[Bars]) -> list[Rescored]:
    """Return what was scored by closes that are mended, scored anew where bars are fit."""
    fit = [of_ticker for of_ticker in bars if of_ticker.ticker in mended.changes]
    rescored = (_rescore_run(run, mended.changes, fit) for run in mended.runs)
    return [of_run for of_run in rescored if len(of_run.rows)]


def list_corrections(
    mended: MendedCloses, rescored: Sequence[Rescored]
) -> dict[str, tuple[Correction, ...]]:
    """Return by ticker what was corrected: of which session, from which close to which."""
    if not rescored:
        return {}
    new = concatenate([of_run.new for of_run in rescored])
    listed = {
        ticker: tuple(_list_of_ticker(where(new, new["ticker"] == ticker), change))
        for ticker, change in mended.changes.items()
    }
    return {ticker: corrections for ticker, corrections in listed.items() if corrections}


def _list_of_ticker(new: Columns, change: Change) -> Iterator[Correction]:
    """Yield the corrections of a ticker that changed a score."""
    for session, was, now in zip(change.session, change.was, change.now, strict=True):
        if scores := int((new["target_date"] == session).sum()):
            yield Correction(session.item(), to_digits(was), to_digits(now), scores)


def correct_state(
    state: State, rescored: Sequence[Rescored], served: Mapping[str, Manifest]
) -> State:
    """Return the state with the gains and running scores that the right closes lead to.

    `served` has the bundle that serves a ticker, by which its gains learn.
    """
    for of_run in rescored:
        state = msgspec.structs.replace(
            state,
            log_gains=_correct_gains(state, of_run, served),
            tracks=_correct_tracks(state.tracks, of_run),
        )
    return state


def _rescore_run(run: ScoringRun, changes: Mapping[str, Change], bars: Sequence[Bars]) -> Rescored:
    scores, numbers = run.scored.scores, np.arange(len(run.scored.scores["ticker"]))
    chosen = np.zeros(len(numbers), bool)
    for of_ticker in bars:
        sessions = changes[of_ticker.ticker].session
        chosen |= (scores["ticker"] == of_ticker.ticker) & np.isin(scores["target_date"], sessions)
    issued = where({**run.scored.issued, "row": numbers}, chosen)
    again = score_realised(issued, bars)
    if again is None:
        return Rescored(run, numbers[:0], scores)
    rows = again.issued["row"]
    other = again.scores["realised_return"] != scores["realised_return"][rows]
    after = {name: column.copy() for name, column in scores.items()}
    for name, column in after.items():
        column[rows] = again.scores[name]
    return Rescored(run, rows[other], after)


def _correct_gains(
    state: State, rescored: Rescored, served: Mapping[str, Manifest]
) -> dict[str, Gains]:
    """Return the log gains that the models on duty had learned from the right outcomes."""
    after, run = dict(state.log_gains), rescored.run
    quantiles, was = recover_quantiles(run.scored.issued), run.scored.scores
    for row in rescored.rows.tolist():
        ticker, horizon = was["ticker"][row], int(was["horizon"][row])
        versions = {run.run.version_of(ticker), was["model_version"][row]}
        learned = versions == {state.version_of(ticker)}
        if was["model"][row] != FORECASTER or not learned or ticker not in after:
            continue
        gains = np.array(after[ticker])
        gains[horizon - 1] = correct_log_gains(
            gains[horizon - 1],
            quantiles[row],
            was["realised_return"][row],
            rescored.after["realised_return"][row],
            served[ticker].calibrator.step_at(horizon),
        )
        after[ticker] = tuple(tuple(of_horizon) for of_horizon in round_decimals(gains).tolist())
    return after


def _correct_tracks(
    tracks: Mapping[Mode, RunningScores], rescored: Rescored
) -> dict[Mode, RunningScores]:
    after, scored = dict(tracks), rescored.run.scored
    modes, targets = scored.scores["mode"], scored.scores["target_date"]
    ahead = scored.scores["horizon"] == 1
    touched = np.isin(np.arange(len(modes)), rescored.rows) & ahead
    for mode, session in dict.fromkeys(zip(modes[touched], targets[touched], strict=True)):
        rows = (modes == mode) & (targets == session) & ahead
        if mode in after:
            tables = (scored.scores, rescored.after, scored.issued)
            after[mode] = correct_scores(after[mode], *(where(table, rows) for table in tables))
    return after
