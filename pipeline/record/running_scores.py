"""Track: how one-session-ahead forecasts have fared so far, kept up to date score by score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from pipeline.bars import Floats
from pipeline.baselines.names import ISSUED
from pipeline.columns import Columns, group_rows, take, where
from pipeline.evaluation.e_values import NO_EVIDENCE, largest_difference, place_bet
from pipeline.evaluation.score_table import FORECASTER
from pipeline.forecasting.levels import INTERVALS
from pipeline.grid import round_decimals, to_decimals
from pipeline.record.scoring import recover_quantiles

RECENT = 250  # sessions kept one by one
UNIT = 1e-7  # of log return, in which recent CRPS are kept as whole numbers
MISSING = -1
MODELS = (FORECASTER, *ISSUED)
COVERED = tuple(f"covered_{coverage}" for coverage in INTERVALS)
Count = Annotated[int, Meta(ge=0, le=10**9)]
Units = Annotated[int, Meta(ge=MISSING, le=10**12)]
Sum = Annotated[float, Meta(ge=0, le=1e12)]
LogCapital = Annotated[float, Meta(ge=-1e6, le=1e6)]
Wealth = Annotated[
    tuple[LogCapital, ...], Meta(min_length=len(NO_EVIDENCE), max_length=len(NO_EVIDENCE))
]


class CrpsSums(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """CRPS beside one baseline: summed over the sessions that both have a score of."""

    sessions: Count = 0
    ours: Sum = 0.0
    theirs: Sum = 0.0


class TickerScores(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One ticker's scores of horizon 1.

    `covered` counts sessions inside each interval of the `scored` ones. `recent_*` hold the last
    250 of these, newest last: covered flags as `1` and `0`, CRPS by model in units of 1e-7 of log
    return, MISSING where that model had no forecast.
    """

    scored: Count = 0
    covered: Mapping[str, Count] = {}
    against: Mapping[str, CrpsSums] = {}
    recent_sessions: tuple[str, ...] = ()
    recent_covered: Mapping[str, str] = {}
    recent_crps: Mapping[str, tuple[Units, ...]] = {}

    def __post_init__(self) -> None:
        """Raise ValueError, which a decoder shows as its own, where lists do not go together."""
        recent = [*self.recent_covered.values(), *self.recent_crps.values()]
        sessions = len(self.recent_sessions)
        if sessions != min(self.scored, RECENT) or any(len(of) != sessions for of in recent):
            raise ValueError(f"Expected the last {RECENT} of {self.scored} sessions in each list")
        if self.scored and (set(self.covered), set(self.recent_covered), set(self.recent_crps)) != (
            set(COVERED),
            set(COVERED),
            set(MODELS),
        ):
            raise ValueError(f"Expected scores of {MODELS} inside {COVERED}")


NOTHING_SCORED = TickerScores()


class RunningScores(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The scores of one mode; `log_wealth` is the evidence against each baseline.

    Of the `sessions`, the model of `in_sample` had learnt from what it forecast.
    """

    first_session: str = ""
    last_session: str = ""
    sessions: Count = 0
    in_sample: Count = 0
    tickers: Mapping[str, TickerScores] = {}
    log_wealth: Mapping[str, Wealth] = {}


def add_scores(track: RunningScores, scores: Columns, issued: Columns) -> RunningScores:
    """Return the track with the scores of one run added, session by session.

    Parameters
    ----------
    scores : scores columns, rows in the order of `issued`
    issued : the forecasts and baselines scored, forecasts columns with `model`
    """
    ahead = scores["horizon"] == 1
    scores, issued = where(scores, ahead), where(issued, ahead)
    for session in np.unique(scores["target_date"]):
        of_session = scores["target_date"] == session
        track = _add_session(track, where(scores, of_session), where(issued, of_session))
    return track


def _add_session(track: RunningScores, scores: Columns, issued: Columns) -> RunningScores:
    session = str(scores["target_date"][0])
    new = session > track.last_session
    tickers = dict(track.tickers)
    for ticker, rows in group_rows(scores["ticker"]).items():
        before = tickers.get(ticker, NOTHING_SCORED)
        tickers[ticker] = _add_ticker_scores(before, take(scores, rows), session)
    return RunningScores(
        first_session=min(track.first_session or session, session),
        last_session=max(track.last_session, session),
        # A ticker may come in later than the others of its session.
        sessions=track.sessions + new,
        in_sample=track.in_sample + (new and bool(scores["in_sample"].any())),
        tickers=tickers,
        log_wealth=place_bets(track.log_wealth, scores["crps"], issued),
    )


def _add_ticker_scores(track: TickerScores, rows: Columns, session: str) -> TickerScores:
    """Return a ticker's track after the scores of one session, a row per model."""
    ours = int(np.argmax(rows["model"] == FORECASTER))
    inside = {name: bool(rows[name][ours]) for name in COVERED}
    crps = dict(zip(rows["model"].tolist(), rows["crps"].tolist(), strict=True))
    units = to_units(crps)
    return TickerScores(
        scored=track.scored + 1,
        covered={name: track.covered.get(name, 0) + inside[name] for name in COVERED},
        against={
            name: _add_pair(track.against.get(name, CrpsSums()), crps, name) for name in ISSUED
        },
        recent_sessions=(*track.recent_sessions, session)[-RECENT:],
        recent_covered={
            name: (track.recent_covered.get(name, "") + "01"[inside[name]])[-RECENT:]
            for name in COVERED
        },
        recent_crps={
            model: (*track.recent_crps.get(model, ()), units[model])[-RECENT:] for model in MODELS
        },
    )


def to_units(crps: Mapping[str, float]) -> dict[str, int]:
    """Return the CRPS of every model in whole units, MISSING where it has none."""
    return {model: round(crps[model] / UNIT) if model in crps else MISSING for model in MODELS}


def _add_pair(against: CrpsSums, crps: Mapping[str, float], name: str) -> CrpsSums:
    if name not in crps:
        return against
    ours, theirs = against.ours + crps[FORECASTER], against.theirs + crps[name]
    return CrpsSums(against.sessions + 1, to_decimals(ours), to_decimals(theirs))


def place_bets(
    log_wealth: Mapping[str, Sequence[float]], crps: Floats, issued: Columns
) -> dict[str, tuple[float, ...]]:
    """Return the evidence after one session's bets, on the tickers of each baseline together."""
    quantiles = recover_quantiles(issued)
    ours = _index_by_ticker(issued, FORECASTER)
    after = {}
    for name in ISSUED:
        theirs = _index_by_ticker(issued, name)
        both = [(ours[ticker], row) for ticker, row in theirs.items() if ticker in ours]
        rows, others = (list(side) for side in zip(*both, strict=True)) if both else ([], [])
        gain = float((crps[others] - crps[rows]).sum())
        bound = float(largest_difference(quantiles[rows], quantiles[others]).sum())
        before = np.array(log_wealth.get(name, NO_EVIDENCE))
        after[name] = tuple(round_decimals(place_bet(before, gain, bound)).tolist())
    return after


def _index_by_ticker(table: Columns, model: str) -> dict[str, int]:
    rows = np.flatnonzero(table["model"] == model).tolist()
    return {table["ticker"][row]: row for row in rows}
