"""Track record: how the forecasts on the record have fared, with what chance alone would do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pipeline.bars import Floats
from pipeline.baselines.names import ISSUED
from pipeline.evaluation.e_values import e_value
from pipeline.evaluation.score_table import FORECASTER
from pipeline.evaluation.significance import (
    MIN_DAYS,
    coverage_bounds,
    days_to_prove,
    diebold_mariano,
    hac_lags,
)
from pipeline.forecasting.levels import INTERVALS
from pipeline.record.chain import Link
from pipeline.record.running_scores import MISSING, UNIT, CrpsSums, RunningScores, TickerScores
from pipeline.record.state import State, count_withheld_and_revised

SCHEMA_VERSION = 1
WINDOWS = (60, 250)  # sessions
POOLED = "pooled"


def build_track_record(state: State, link: Link) -> dict[str, Any]:
    """Return track_record.json: coverage, skill and evidence of horizon 1, by mode and ticker.

    `live` forecasts were issued before their day; those of other modes were made afterwards, and
    show the mechanics alone.
    """
    run = link.manifest
    return {
        "schema_version": SCHEMA_VERSION,
        "session": run.session,
        "source": run.source,
        "model_version": run.model_version,
        "manifest": {"key": run.key, "sha256": link.digest},
        "horizon": 1,
        # None has tickers yet while only longer horizons are realised, as after a closure.
        "modes": {mode: _mode(one) for mode, one in sorted(state.tracks.items()) if one.tickers},
        **count_withheld_and_revised(state, run),
    }


def select_headline(record: Mapping[str, Any]) -> dict[str, float]:
    """Return the figures that alarms watch: coverage_95_250 and crps_skill_60.

    Of live forecasts if there are any, else of what there is; each only once its sessions are
    there, since chance moves that of a few.
    """
    modes = record["modes"]
    if not modes:
        return {}
    pooled = modes.get("live", next(iter(modes.values())))[POOLED]
    coverage, skill = pooled["coverage"]["95"]["250"], pooled["skill"]["garch_t"].get("60", {})
    watched = {
        "coverage_95_250": (250, coverage["sessions"], coverage["coverage"]),
        "crps_skill_60": (60, skill.get("sessions", 0), skill.get("skill")),
    }
    return {name: value for name, (needed, n, value) in watched.items() if n >= needed}


def _mode(track: RunningScores) -> dict[str, Any]:
    return {
        "first_session": track.first_session,
        "last_session": track.last_session,
        "sessions": track.sessions,
        "in_sample_sessions": track.in_sample,
        "e_values": {name: e_value(np.array(w)) for name, w in track.log_wealth.items()},
        POOLED: _figures(list(track.tickers.values())),
        "tickers": {ticker: _figures([one]) for ticker, one in sorted(track.tickers.items())},
    }


def _figures(tracks: list[TickerScores]) -> dict[str, Any]:
    """Return the figures of some tickers together."""
    return {
        "scored": sum(one.scored for one in tracks),
        "coverage": {str(c): _coverage(tracks, c) for c in INTERVALS},
        "skill": {name: _skill(tracks, name) for name in ISSUED},
    }


def _coverage(tracks: list[TickerScores], nominal: int) -> dict[str, Any]:
    name = f"covered_{nominal}"
    found = {"all": _share([(one.covered[name], one.scored) for one in tracks], nominal)}
    for window in WINDOWS:
        recent = [one.recent_covered[name][-window:] for one in tracks]
        found[str(window)] = _share([(one.count("1"), len(one)) for one in recent], nominal)
    return found


def _share(counts: list[tuple[int, int]], nominal: int) -> dict[str, Any]:
    """Return the share inside, of (inside, scored) of each ticker, and where chance would put it.

    The bounds count sessions and not tickers, which move together.
    """
    inside, scored = (sum(side) for side in zip(*counts, strict=True))
    sessions = max(n for _, n in counts)
    lower, upper = coverage_bounds(sessions, nominal / 100)
    return {"sessions": sessions, "coverage": inside / scored, "lower": lower, "upper": upper}


def _skill(tracks: list[TickerScores], baseline: str) -> dict[str, Any]:
    """Return 1 - CRPS over the baseline's, and how sure its sign is."""
    sums = [one.against.get(baseline, CrpsSums()) for one in tracks]
    theirs = sum(one.theirs for one in sums)
    if not theirs:
        return {}
    n = max(one.sessions for one in sums)
    found: dict[str, Any] = {
        "all": {"sessions": n, "skill": 1.0 - sum(one.ours for one in sums) / theirs}
    }
    loss, benchmark = _recent(tracks, baseline)
    for window in WINDOWS:
        found[str(window)] = _recent_skill(loss[-window:], benchmark[-window:])
    return found


def _recent_skill(loss: Floats, benchmark: Floats) -> dict[str, Any]:
    n = len(loss)
    if not n:
        return {}
    found: dict[str, Any] = {"sessions": n, "skill": float(1.0 - loss.sum() / benchmark.sum())}
    if n < MIN_DAYS or not np.ptp(loss - benchmark):
        return found
    t, p = diebold_mariano(loss, benchmark, lags=hac_lags(n, 1))
    # The skill's standard error is that of the mean difference over the mean benchmark.
    error = abs(found["skill"] / t) if t else None
    return found | {"standard_error": error, "t": t, "p": p, "days_to_prove": days_to_prove(t, n)}


def _recent(tracks: list[TickerScores], baseline: str) -> tuple[Floats, Floats]:
    """Return the CRPS of recent sessions, ours and the baseline's, meaned over the tickers."""
    by_session: dict[str, list[tuple[int, int]]] = {}
    for one in tracks:
        pairs = zip(one.recent_crps[FORECASTER], one.recent_crps[baseline], strict=True)
        for session, pair in zip(one.recent_sessions, pairs, strict=True):
            if MISSING not in pair:
                by_session.setdefault(session, []).append(pair)
    means = [np.mean(by_session[session], axis=0) for session in sorted(by_session)]
    found: Floats = np.array(means, np.float64).reshape(-1, 2) * UNIT
    return found[:, 0], found[:, 1]
