"""Scenario track: the state of scenarios after a part, by what it scored and scored anew."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from pipeline.columns import Columns
from pipeline.grid import to_decimals
from pipeline.record.manifest import Mode
from pipeline.record.scenario_scores import ScenarioScores
from pipeline.record.scenario_state import (
    EnergySums,
    HorizonSums,
    ScenarioState,
    ScenarioTrack,
    UnscoredScenarios,
)
from pipeline.record.unscored_scenarios import Unscored
from pipeline.scenarios.benchmarks import GAUSSIAN, INDEPENDENCE
from pipeline.scenarios.portfolios import EQUAL_WEIGHTS, JOINT
from pipeline.scenarios.score_draw import OURS, TAILS


def next_scenario_state(
    before: ScenarioState,
    unscored: Unscored,
    scored: Sequence[ScenarioScores],
    corrected: Sequence[tuple[Columns, ScenarioScores]] = (),
) -> ScenarioState:
    """Return the state after a part.

    Parameters
    ----------
    corrected : what was scored by a close that is mended: the rows as they stood, and anew
    """
    tracks = dict(before.tracks)
    for was, now in corrected:
        _add(tracks, now, _count(now, was), -1)
        _add(tracks, now, _count(now, now.columns), 1)
    for scores in scored:
        _add(tracks, scores, _count(scores, scores.columns), 1)
    return ScenarioState(tuple(_list_left(unscored, scored)), tracks)


def _list_left(unscored: Unscored, scored: Sequence[ScenarioScores]) -> Iterable[UnscoredScenarios]:
    """Yield what is still to be scored: neither scored now nor late."""
    done = {scores.id for scores in scored}
    done |= {(due.issued.id, horizon) for due in unscored.due for horizon in due.late}
    for part in unscored.waiting:
        left = tuple(h for h in part.horizons if ((part.session, part.part), h) not in done)
        if left:
            yield msgspec.structs.replace(part, horizons=left)


def _count(scores: ScenarioScores, rows: Columns) -> HorizonSums:
    """Return the rows of one part and horizon as sums."""
    of = {
        (portfolio, model): row
        for row, (portfolio, model) in enumerate(
            zip(rows["portfolio"].tolist(), rows["model"].tolist(), strict=True)
        )
    }
    book, energy = of[EQUAL_WEIGHTS, OURS], rows["energy_score"]
    against = {
        name: EnergySums(1, float(energy[of[JOINT, OURS]]), float(energy[of[JOINT, name]]))
        for name in (GAUSSIAN, INDEPENDENCE)
        if (JOINT, name) in of
    }
    exceeded = {level: int(rows[f"exceeded_{level}"][book]) for level in TAILS}
    return HorizonSums(1, int(scores.issued.in_sample), exceeded, against)


def _add(
    tracks: dict[Mode, ScenarioTrack], scores: ScenarioScores, counted: HorizonSums, sign: int
) -> None:
    """Add what was counted, or with a sign of -1 take it out; only first parts count."""
    issued, horizon = scores.issued, str(scores.horizon)
    if not issued.opens_session:
        return
    target = str(issued.cube.target_dates[scores.horizon - 1])
    track = tracks.get(issued.mode, ScenarioTrack(target, target))
    sums = _combine(track.horizons.get(horizon, HorizonSums()), counted, sign)
    tracks[issued.mode] = ScenarioTrack(
        min(track.first_session, target),
        max(track.last_session, target),
        {**track.horizons, horizon: sums},
    )


def _combine(sums: HorizonSums, counted: HorizonSums, sign: int) -> HorizonSums:
    return HorizonSums(
        scored=sums.scored + sign * counted.scored,
        in_sample=sums.in_sample + sign * counted.in_sample,
        exceeded=_sum(sums.exceeded, counted.exceeded, sign),
        against={
            name: _combine_pair(sums.against, counted.against, name, sign)
            for name in dict.fromkeys([*sums.against, *counted.against])
        },
    )


def _sum(sums: Mapping[str, int], counted: Mapping[str, int], sign: int) -> dict[str, int]:
    return {level: sums.get(level, 0) + sign * counted[level] for level in counted}


def _combine_pair(
    sums: Mapping[str, EnergySums], counted: Mapping[str, EnergySums], name: str, sign: int
) -> EnergySums:
    before, more = sums.get(name, EnergySums()), counted.get(name, EnergySums())
    ours, theirs = before.ours + sign * more.ours, before.theirs + sign * more.theirs
    totals = (max(to_decimals(total), 0.0) for total in (ours, theirs))
    return EnergySums(before.sessions + sign * more.sessions, *totals)
