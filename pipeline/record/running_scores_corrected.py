"""Corrected running scores: a session's scores taken out, and the right ones in their place."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np

from pipeline.baselines.names import ISSUED
from pipeline.columns import Columns, group_rows, take
from pipeline.evaluation.e_values import NO_EVIDENCE
from pipeline.evaluation.score_table import FORECASTER
from pipeline.grid import round_decimals, to_decimals
from pipeline.record.running_scores import (
    COVERED,
    CrpsSums,
    RunningScores,
    TickerScores,
    place_bets,
    to_units,
)


def correct_scores(
    track: RunningScores, was: Columns, now: Columns, issued: Columns
) -> RunningScores:
    """Return the track as if one session's scores of one run had been others.

    Parameters
    ----------
    was, now : scores columns, the same rows of one session and horizon 1
    issued : the forecasts and baselines scored, row by row
    """
    session = str(was["target_date"][0])
    tickers = dict(track.tickers)
    for ticker, rows in group_rows(was["ticker"]).items():
        if ticker in tickers:
            pair = take(was, rows), take(now, rows)
            tickers[ticker] = _correct_ticker(tickers[ticker], session, *pair)
    bets = [place_bets({}, scores["crps"], issued) for scores in (was, now)]
    wealth = {
        name: tuple(
            round_decimals(
                np.array(track.log_wealth.get(name, NO_EVIDENCE))
                - np.array(bets[0][name])
                + np.array(bets[1][name])
            ).tolist()
        )
        for name in ISSUED
    }
    return msgspec.structs.replace(track, tickers=tickers, log_wealth=wealth)


def _correct_ticker(track: TickerScores, session: str, was: Columns, now: Columns) -> TickerScores:
    ours = int(np.argmax(was["model"] == FORECASTER))
    before, after = ({name: bool(of[name][ours]) for name in COVERED} for of in (was, now))
    old, new = (
        dict(zip(of["model"].tolist(), of["crps"].tolist(), strict=True)) for of in (was, now)
    )
    at = track.recent_sessions.index(session) if session in track.recent_sessions else None
    units = to_units(new)
    return msgspec.structs.replace(
        track,
        covered={name: track.covered[name] + after[name] - before[name] for name in COVERED},
        against={name: _correct_pair(sums, old, new, name) for name, sums in track.against.items()},
        recent_covered={
            name: _replace(flags, at, "01"[after[name]])
            for name, flags in track.recent_covered.items()
        },
        recent_crps={
            model: crps if at is None else (*crps[:at], units[model], *crps[at + 1 :])
            for model, crps in track.recent_crps.items()
        },
    )


def _correct_pair(
    sums: CrpsSums, old: Mapping[str, float], new: Mapping[str, float], name: str
) -> CrpsSums:
    if name not in old:
        return sums
    ours = sums.ours + new[FORECASTER] - old[FORECASTER]
    theirs = sums.theirs + new[name] - old[name]
    return CrpsSums(sums.sessions, *(max(to_decimals(total), 0.0) for total in (ours, theirs)))


def _replace(flags: str, at: int | None, flag: str) -> str:
    return flags if at is None else flags[:at] + flag + flags[at + 1 :]
