"""Track record: how the forecasts on the record have fared, with what chance alone would do."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from pipeline.bars import Floats
from pipeline.baselines.names import GARCH_T, ISSUED
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
from pipeline.grid import to_decimals, to_digits
from pipeline.record.chain import Link
from pipeline.record.running_scores import MISSING, UNIT, CrpsSums, RunningScores, TickerScores
from pipeline.record.state import State, count_withheld_and_revised
from pipeline.views.figures import (
    CoverageShare,
    Figures,
    ManifestDigest,
    ModeFigures,
    SkillScore,
    TrackRecord,
)
from pipeline.views.scenario_figures import summarise_scenarios

SCHEMA_VERSION = 1
SPANS = (60, 250)  # newest sessions that are summarised by themselves


def build_track_record(state: State, link: Link) -> TrackRecord:
    """Return how forecasts have fared up to the part of `link`, whose state is `state`.

    `live` forecasts were issued before their day; those of other modes were made afterwards, and
    show the mechanics alone.
    """
    run = link.manifest
    return TrackRecord(
        schema_version=SCHEMA_VERSION,
        session=run.session,
        source=run.source,
        model_version=run.model_version,
        manifest=ManifestDigest(run.key, link.digest),
        horizon=1,
        # None has tickers yet while only longer horizons are realised, as after a closure.
        modes={
            mode: _summarise_mode(scores)
            for mode, scores in sorted(state.tracks.items())
            if scores.tickers
        },
        others=state.others,
        scenarios=summarise_scenarios(state.scenarios),
        **count_withheld_and_revised(state, run),
    )


def select_headline(record: TrackRecord | None) -> dict[str, float]:
    """Return the figures that alarms watch: coverage_95_250 and crps_skill_60.

    Of the mode that counts; each only once its sessions are there, since chance moves that of a
    few.
    """
    if record is None or record.shown_mode is None:
        return {}
    pooled = record.modes[record.shown_mode].pooled
    coverage = pooled.coverage["95"]["250"]
    skill = pooled.skill[GARCH_T].get("60", SkillScore())
    headline = {}
    if coverage.sessions >= 250:
        headline["coverage_95_250"] = coverage.coverage
    if skill.sessions is not UNSET and skill.skill is not UNSET and skill.sessions >= 60:
        headline["crps_skill_60"] = skill.skill
    return headline


def _summarise_mode(scores: RunningScores) -> ModeFigures:
    return ModeFigures(
        first_session=scores.first_session,
        last_session=scores.last_session,
        sessions=scores.sessions,
        in_sample_sessions=scores.in_sample,
        e_values={name: to_digits(e_value(np.array(w))) for name, w in scores.log_wealth.items()},
        pooled=_summarise(list(scores.tickers.values())),
        tickers={
            ticker: _summarise([ticker_scores])
            for ticker, ticker_scores in sorted(scores.tickers.items())
        },
    )


def _summarise(tickers: list[TickerScores]) -> Figures:
    """Return the figures of some tickers together."""
    return Figures(
        scored=sum(ticker.scored for ticker in tickers),
        coverage={str(nominal): _summarise_coverage(tickers, nominal) for nominal in INTERVALS},
        skill={baseline: _summarise_skill(tickers, baseline) for baseline in ISSUED},
    )


def _summarise_coverage(tickers: list[TickerScores], nominal: int) -> dict[str, CoverageShare]:
    name = f"covered_{nominal}"
    counts = {"all": [(ticker.covered[name], ticker.scored) for ticker in tickers]}
    for span in SPANS:
        recent = [ticker.recent_covered[name][-span:] for ticker in tickers]
        counts[str(span)] = [(flags.count("1"), len(flags)) for flags in recent]
    return {span: _share_inside(of_span, nominal) for span, of_span in counts.items()}


def _share_inside(counts: list[tuple[int, int]], nominal: int) -> CoverageShare:
    """Return the share inside, of (inside, scored) of each ticker, and where chance would put it.

    The bounds count sessions and not tickers, which move together.
    """
    inside, scored = (sum(side) for side in zip(*counts, strict=True))
    sessions = max(n for _, n in counts)
    return CoverageShare(sessions, to_decimals(inside / scored), *_bound(sessions, nominal))


@lru_cache(maxsize=4096)
def _bound(sessions: int, nominal: int) -> tuple[float, float]:
    lower, upper = coverage_bounds(sessions, nominal / 100)
    return to_decimals(lower), to_decimals(upper)


def _summarise_skill(tickers: list[TickerScores], baseline: str) -> dict[str, SkillScore]:
    """Return 1 - CRPS over the baseline's, and how sure its sign is."""
    sums = [ticker.against.get(baseline, CrpsSums()) for ticker in tickers]
    theirs = sum(of_ticker.theirs for of_ticker in sums)
    if not theirs:
        return {}
    sessions = max(of_ticker.sessions for of_ticker in sums)
    skill = to_decimals(1.0 - sum(of_ticker.ours for of_ticker in sums) / theirs)
    loss, benchmark = _recent_crps(tickers, baseline)
    return {"all": SkillScore(sessions, skill)} | {
        str(span): _recent_skill(loss[-span:], benchmark[-span:]) for span in SPANS
    }


def _recent_skill(loss: Floats, benchmark: Floats) -> SkillScore:
    n = len(loss)
    if not n:
        return SkillScore()
    skill = to_decimals(float(1.0 - loss.sum() / benchmark.sum()))
    if n < MIN_DAYS or not np.ptp(loss - benchmark):
        return SkillScore(n, skill)
    t, p = map(to_decimals, diebold_mariano(loss, benchmark, lags=hac_lags(n, 1)))
    # The skill's standard error is that of the mean difference over the mean benchmark.
    error = to_decimals(abs(skill / t)) if t else None
    return SkillScore(n, skill, error, t, p, days_to_prove(t, n))


def _recent_crps(tickers: list[TickerScores], baseline: str) -> tuple[Floats, Floats]:
    """Return the CRPS of recent sessions, ours and the baseline's, averaged over the tickers."""
    alike: dict[tuple[str, ...], list[TickerScores]] = {}
    for ticker in tickers:
        alike.setdefault(ticker.recent_sessions, []).append(ticker)
    by_session: dict[str, NDArray[np.int64]] = {}
    for sessions, of_alike in alike.items():
        pairs = [(each.recent_crps[FORECASTER], each.recent_crps[baseline]) for each in of_alike]
        crps = np.array(pairs, np.int64).reshape(len(of_alike), 2, len(sessions))
        both = (crps != MISSING).all(axis=1, keepdims=True)
        sums = np.concatenate([np.where(both, crps, 0).sum(axis=0), both.sum(axis=0)])
        for session, of_session in zip(sessions, sums.T, strict=True):
            by_session[session] = by_session.get(session, 0) + of_session
    known = [sums for _, sums in sorted(by_session.items()) if sums[2]]
    ours, theirs, counts = np.array(known, np.float64).reshape(-1, 3).T
    return ours / counts * UNIT, theirs / counts * UNIT
