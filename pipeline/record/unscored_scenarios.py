"""Unscored scenarios: those of earlier parts that a part may score, read back from the store."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from pipeline.ports import ObjectStore, Tables
from pipeline.record.chain import read_link
from pipeline.record.issued_scenarios import IssuedScenarios, PartId, read_issued_scenarios
from pipeline.record.keys import manifest_key
from pipeline.record.manifest import RunManifest
from pipeline.record.prior import PriorRecord
from pipeline.record.scenario_state import UnscoredScenarios, list_unscored
from pipeline.scenarios.cube_columns import TABLE
from pipeline.scenarios.portfolios import SCORED_HORIZONS

# Sessions after its target in which a part looks for the closes of the tickers that lack them.
LOOKED_FOR = 5


@dataclass(frozen=True, slots=True, eq=False)
class DueScenarios:
    """Scenarios whose targets have closed by the exchange's calendar, at some horizons.

    At those that are `late`, no later part will look for closes again.
    """

    issued: IssuedScenarios
    horizons: tuple[int, ...]
    late: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Unscored:
    """What is to be scored: `waiting` is all of it, as a state names it, `due` what may be now."""

    waiting: tuple[UnscoredScenarios, ...] = ()
    due: tuple[DueScenarios, ...] = ()


def read_unscored(
    store: ObjectStore, tables: Tables, prior: PriorRecord, expected: Sequence[date]
) -> Unscored:
    """Return what a part whose session is the last of the `expected` may score.

    What is lost is done without.

    Raises
    ------
    DamagedObject
        When scenarios that are needed are missing or not what their manifest names.
    """
    lost = prior.repairs.lost
    waiting = list_waiting(prior)
    waiting = tuple(part for part in waiting if not lost or not _is_lost(store, part, lost))
    return Unscored(waiting, tuple(_list_due(store, tables, prior.scenarios, waiting, expected)))


def list_waiting(prior: PriorRecord) -> tuple[UnscoredScenarios, ...]:
    """Return what the record before a part has drawn and not scored."""
    head, state = prior.manifest, prior.state
    # Where the head's own state is lost, much may be scored that an older one waits for.
    follows = head and state and (state.session, state.part) == (head.session, head.part)
    return list_unscored(state.scenarios.unscored if state and follows else (), head)


def _list_due(
    store: ObjectStore,
    tables: Tables,
    known: Mapping[PartId, IssuedScenarios],
    waiting: Sequence[UnscoredScenarios],
    expected: Sequence[date],
) -> Iterator[DueScenarios]:
    for part in waiting:
        ahead = len(expected) - bisect_right(expected, part.session)
        horizons = tuple(h for h in SCORED_HORIZONS if h in part.horizons and h <= ahead)
        if horizons:
            issued = known.get((part.session, part.part))
            issued = issued or read_issued_scenarios(store, tables, _read_run(store, part))
            yield DueScenarios(
                issued, horizons, tuple(h for h in horizons if h + LOOKED_FOR <= ahead)
            )


def _is_lost(store: ObjectStore, part: UnscoredScenarios, lost: Container[str]) -> bool:
    run = _read_run(store, part)
    return any(run.table(name) in lost for name in (TABLE, "forecasts"))


def _read_run(store: ObjectStore, part: UnscoredScenarios) -> RunManifest:
    return read_link(store, manifest_key(part.session, part.part)).manifest
