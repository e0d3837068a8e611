"""Scenario outcomes: what a part scores of earlier parts' scenarios, and scores anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from pipeline.bars import Bars
from pipeline.columns import Columns, concatenate
from pipeline.record.mended_scenarios import rescore_scenarios
from pipeline.record.part import PartInputs, PartWriter
from pipeline.record.scenario_scores import TABLE, Outcomes, ScenarioScores, score_due
from pipeline.record.scenario_track import next_scenario_state
from pipeline.record.state import State


@dataclass(frozen=True, slots=True, eq=False)
class ScenarioOutcomes:
    """Scores of the first time, and pairs of the rows as they stood and the scores made again."""

    scored: Sequence[ScenarioScores] = ()
    corrected: Sequence[tuple[Columns, ScenarioScores]] = ()


def score_part(part: PartInputs, bars: Sequence[Bars]) -> ScenarioOutcomes:
    """Return what the fit bars of a part's vintage realise of earlier parts' scenarios."""
    outcomes = Outcomes({fit.ticker: fit for fit in bars}, part.vintage.bars)
    corrected = rescore_scenarios(part.scenarios.mended, outcomes)
    return ScenarioOutcomes(score_due(part.scenarios.unscored.due, outcomes), corrected)


def write_scenario_scores(writer: PartWriter, outcomes: ScenarioOutcomes) -> None:
    """Write the rows scored for the first time, and those made again, if any."""
    new = [*(now for _, now in outcomes.corrected), *outcomes.scored]
    if new:
        writer.write_table(TABLE, concatenate([scores.columns for scores in new]))


def with_scenarios(state: State, part: PartInputs, outcomes: ScenarioOutcomes) -> State:
    """Return the state with what it says of scenarios after the part."""
    scenarios = next_scenario_state(
        state.scenarios, part.scenarios.unscored, outcomes.scored, outcomes.corrected
    )
    return msgspec.structs.replace(state, scenarios=scenarios)
