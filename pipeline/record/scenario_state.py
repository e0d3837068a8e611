"""Scenario state: whose scenarios are still to be scored, and how those of first parts fared."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated

import msgspec
from msgspec import Meta

from pipeline.encoding import Number
from pipeline.record.manifest import Mode, RunManifest
from pipeline.scenarios.cube_columns import TABLE
from pipeline.scenarios.portfolios import SCORED_HORIZONS

Count = Annotated[int, Meta(ge=0, le=10**9)]
Sum = Annotated[float, Meta(ge=0, le=1e12)]


class UnscoredScenarios(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Horizons of a part's scenarios that are not scored yet."""

    session: date
    part: Number
    horizons: tuple[int, ...]


class EnergySums(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Energy scores beside another coupling of the same marginals, where both have one."""

    sessions: Count = 0
    ours: Sum = 0.0
    theirs: Sum = 0.0


class HorizonSums(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was scored of one horizon, `in_sample` of it by a model that had learnt the outcome.

    `exceeded` counts losses of equal weights beyond VaR, by level in thousandths.
    """

    scored: Count = 0
    in_sample: Count = 0
    exceeded: Mapping[str, Count] = {}
    against: Mapping[str, EnergySums] = {}


class ScenarioTrack(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The sums of one mode by horizon, from the first target to the last."""

    first_session: str
    last_session: str
    horizons: Mapping[str, HorizonSums] = {}


class ScenarioState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the next part needs of all scenarios before it."""

    unscored: tuple[UnscoredScenarios, ...] = ()
    tracks: Mapping[Mode, ScenarioTrack] = {}


def list_unscored(
    before: tuple[UnscoredScenarios, ...], head: RunManifest | None
) -> tuple[UnscoredScenarios, ...]:
    """Return what is still to be scored before a part: what was, and all that the head drew."""
    if head is None or head.table(TABLE) not in head.objects:
        return before
    horizons = tuple(h for h in SCORED_HORIZONS if h <= head.horizons)
    return (*before, UnscoredScenarios(head.session, head.part, horizons))
