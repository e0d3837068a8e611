"""Part inputs: what a part is a function of, with what it needs of earlier parts read back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from pipeline.ports import ObjectStore, Tables
from pipeline.record.earlier_scenarios import read_earlier_scenarios
from pipeline.record.mended import read_mended
from pipeline.record.part import PartInputs
from pipeline.record.prior import PriorRecord
from pipeline.record.vintage import Vintage


def read_inputs(
    store: ObjectStore,
    tables: Tables,
    number: int,
    days: tuple[Sequence[date], tuple[date, ...]],
    vintage: tuple[Vintage, bytes],
    prior: PriorRecord,
) -> PartInputs:
    """Return the inputs of a part.

    Parameters
    ----------
    days : the exchange's sessions up to the origin, and one target a horizon
    vintage : the vintage and the bytes it is stored in

    Raises
    ------
    DamagedObject
        When an object that is needed is missing or not what its manifest names.
    """
    (expected, target_dates), (bars, data) = days, vintage
    mended = read_mended(store, tables, prior, bars, expected[-1])
    earlier = read_earlier_scenarios(store, tables, prior, expected, mended)
    return PartInputs(number, expected, target_dates, bars, data, prior, mended, earlier)
