"""Next state: one state of the record to the next, by what a run could score."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta

import msgspec
import numpy as np

from pipeline.columns import Columns
from pipeline.evaluation.score_table import FORECASTER
from pipeline.forecasting.bundle import Manifest
from pipeline.record.gains import update_gains
from pipeline.record.keys import manifest_key
from pipeline.record.manifest import Mode, RunManifest
from pipeline.record.prior import PriorRecord
from pipeline.record.running_scores import RunningScores, add_scores
from pipeline.record.scoring import ScoredForecasts
from pipeline.record.state import (
    SCHEMA_VERSION,
    Gains,
    Outstanding,
    State,
    as_log_gains,
    count_withheld_and_revised,
)

# A vintage's window reaches 126 sessions back: what is older and not realised, on a target that
# turned out to be a holiday, never will be.
SCORABLE = timedelta(days=190)


def start_part(prior: PriorRecord, bundle: Manifest, session: date, part: int) -> State:
    """Return the state of a part before any score: that of the part before, renamed.

    A model version that is new starts from the gains of its bundle: outcomes that the model had
    not seen left them. One that served before has the gains back with which it ended.
    """
    before = prior.state or State(SCHEMA_VERSION, session, part, None, "", {})
    state = msgspec.structs.replace(before, session=session, part=part, previous=prior.state_digest)
    if state.model_version == bundle.model_version:
        return state
    resumed = prior.resumed.get(bundle.model_version)
    gains = resumed.log_gains if resumed else _read_bundle_gains(bundle)
    others = {ticker: before.log_gains[ticker] for ticker in before.served_by_others}
    return msgspec.structs.replace(
        state,
        model_version=bundle.model_version,
        log_gains={**gains, **others},
        earlier_models=_keep_model(before, before.model_version, bundle.model_version),
    )


def hand_over(
    state: State, prior: PriorRecord, served: Mapping[str, str], first: Callable[[str], Gains]
) -> State:
    """Return the state in which other models than the one on duty serve some tickers.

    A ticker that changes its model takes up the gains with which the new one served it last, or
    else starts with its first ones.

    Parameters
    ----------
    state : as `start_part` returns it
    served : fit ticker of the part -> version of the model that serves it
    first : returns a ticker's first log gains
    """
    others, gains = dict(state.served_by_others), dict(state.log_gains)
    for ticker, version in served.items():
        before = others.get(ticker, state.model_version)
        if version == before:
            continue
        resumed = prior.resumed.get(version)
        known = resumed is not None and resumed.version_of(ticker) == version
        gains[ticker] = (
            resumed.log_gains[ticker]
            if resumed and known and ticker in resumed.log_gains
            else first(ticker)
        )
        if ticker in others and prior.state:
            state = msgspec.structs.replace(
                state, earlier_models=_keep_model(prior.state, before, version, state)
            )
        others[ticker] = version
    others = {t: version for t, version in others.items() if version != state.model_version}
    return msgspec.structs.replace(state, log_gains=gains, others=others or msgspec.UNSET)


def _read_bundle_gains(bundle: Manifest) -> dict[str, Gains]:
    return {ticker: as_log_gains(np.array(rows)) for ticker, rows in bundle.gains.items()}


def _keep_model(
    before: State, left: str, version: str, state: State | None = None
) -> dict[str, str]:
    """Return the models that served before, where `version` serves from now on in place of `left`.

    `state` is that of the part so far, where it has left other models already.
    """
    earlier = dict((state or before).earlier_models)
    if left:
        earlier[left] = manifest_key(before.session, before.part)
    earlier.pop(version, None)
    return earlier


def apply_scores(
    state: State,
    head: RunManifest | None,
    outstanding: Sequence[Outstanding],
    served: Mapping[str, Manifest],
    scored: ScoredForecasts | None,
) -> State:
    """Return the state after the scores of one run.

    Parameters
    ----------
    state : as `start_part` returns it
    head : manifest of the part before
    outstanding : what is still to be scored, all that the head issued included
    served : ticker -> the bundle that serves it
    scored : what this run could score, None for nothing
    """
    state = carry_on(state, head, outstanding)
    if scored is None:
        return state
    ours = scored.where(scored.scores["model"] == FORECASTER)
    versions = [state.version_of(ticker) for ticker in ours.scores["ticker"]]
    learned = ours.where(ours.scores["model_version"] == np.array(versions, object))
    return msgspec.structs.replace(
        state,
        log_gains=update_gains(state.log_gains, learned, served),
        outstanding=_drop_scored(state.outstanding, ours.scores),
        tracks=_add_scores_by_mode(state.tracks, scored),
    )


def carry_on(state: State, head: RunManifest | None, outstanding: Sequence[Outstanding]) -> State:
    """Return the state after a run that could score nothing, with the part before counted."""
    scorable = tuple(part for part in outstanding if state.session - part.session <= SCORABLE)
    counts = count_withheld_and_revised(state, head)
    return msgspec.structs.replace(state, outstanding=scorable, **counts)


def _add_scores_by_mode(
    tracks: Mapping[Mode, RunningScores], scored: ScoredForecasts
) -> dict[Mode, RunningScores]:
    after = dict(tracks)
    modes = scored.scores["mode"]
    for mode in map(Mode, dict.fromkeys(modes.tolist())):
        rows = scored.where(modes == mode)
        after[mode] = add_scores(after.get(mode, RunningScores()), rows.scores, rows.issued)
    return after


def _drop_scored(outstanding: Sequence[Outstanding], scores: Columns) -> tuple[Outstanding, ...]:
    """Return what is still to be scored after these scores, the forecaster's."""
    names = ("ticker", "origin_date", "horizon")
    done = set(zip(*(scores[name].tolist() for name in names), strict=True))
    left = []
    for part in outstanding:
        tickers = {
            ticker: unscored
            for ticker, horizons in part.tickers.items()
            if (unscored := tuple(h for h in horizons if (ticker, part.session, h) not in done))
        }
        if tickers:
            left.append(msgspec.structs.replace(part, tickers=tickers))
    return tuple(left)
