"""Earlier scenarios: all that a part may score of them, or score anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from pipeline.ports import ObjectStore, Tables
from pipeline.record.mended import MendedCloses
from pipeline.record.mended_scenarios import ScoredBefore, read_mended_scenarios
from pipeline.record.prior import PriorRecord
from pipeline.record.unscored_scenarios import Unscored, read_unscored


@dataclass(frozen=True, slots=True, eq=False)
class EarlierScenarios:
    """Scenarios that are not scored yet, and those that were scored by closes mended since."""

    unscored: Unscored = Unscored()
    mended: tuple[ScoredBefore, ...] = ()


def read_earlier_scenarios(
    store: ObjectStore,
    tables: Tables,
    prior: PriorRecord,
    expected: Sequence[date],
    mended: MendedCloses,
) -> EarlierScenarios:
    """Return the scenarios that a part whose session is the last of the `expected` goes by.

    Raises
    ------
    DamagedObject
        When an object that is needed is missing or not what its manifest names.
    """
    return EarlierScenarios(
        read_unscored(store, tables, prior, expected),
        read_mended_scenarios(store, tables, prior, mended),
    )
