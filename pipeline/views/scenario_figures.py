"""Scenario figures: how scenarios of first parts have fared, in track_record.json."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from pipeline.evaluation.significance import coverage_bounds
from pipeline.grid import to_decimals
from pipeline.record.manifest import Mode
from pipeline.record.scenario_state import EnergySums, HorizonSums, ScenarioState
from pipeline.scenarios.risk import TAIL_LEVELS


class EnergyRatio(Struct, frozen=True):
    """The mean energy score over that of the same marginals coupled otherwise: below 1 is better.

    Of the `sessions` that both have a score of.
    """

    sessions: int
    ratio: float


class Exceedances(Struct, frozen=True):
    """Losses of equal weights beyond a VaR: how many, their share, and where chance would put it.

    The bounds count targets that do not overlap.
    """

    beyond: int
    share: float
    lower: float
    upper: float


class HorizonFigures(Struct, frozen=True):
    """Scenarios of `scored` origins; `in_sample` of them by a model that had learnt the outcome.

    `energy` is by what they are compared with, `exceeded` by the level of VaR in percent.
    """

    scored: int
    in_sample: int
    energy: Mapping[str, EnergyRatio]
    exceeded: Mapping[str, Exceedances]


class ScenarioFigures(Struct, frozen=True):
    """The scenarios of one mode by horizon, from the first target to the last."""

    first_session: str
    last_session: str
    horizons: Mapping[str, HorizonFigures]


def summarise_scenarios(state: ScenarioState) -> dict[Mode, ScenarioFigures]:
    """Return how the scenarios of each mode have fared."""
    return {
        mode: ScenarioFigures(
            track.first_session,
            track.last_session,
            {h: _summarise(int(h), sums) for h, sums in sorted(track.horizons.items())},
        )
        for mode, track in sorted(state.tracks.items())
    }


def _summarise(horizon: int, sums: HorizonSums) -> HorizonFigures:
    return HorizonFigures(
        scored=sums.scored,
        in_sample=sums.in_sample,
        energy={
            name: EnergyRatio(of.sessions, _divide(of))
            for name, of in sorted(sums.against.items())
            if of.theirs > 0
        },
        exceeded={
            f"{100 * level:g}": _share_beyond(horizon, sums.scored, level, beyond)
            for level in TAIL_LEVELS
            if (beyond := sums.exceeded.get(f"{1000 * level:.0f}")) is not None
        },
    )


def _divide(sums: EnergySums) -> float:
    return to_decimals(sums.ours / sums.theirs)


def _share_beyond(horizon: int, scored: int, level: float, beyond: int) -> Exceedances:
    bounds = coverage_bounds(max(scored // horizon, 1), to_decimals(1.0 - level))
    return Exceedances(beyond, *map(to_decimals, (beyond / scored, *bounds)))
