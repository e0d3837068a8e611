"""Fill holes: bars that a reading lacks, taken from the newest vintage on the record that has them.

Nothing more is read of the store while the vintage before has what is missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from itertools import islice

import msgspec
import numpy as np

from pipeline.bars import RawBars, Sessions
from pipeline.forecasting.windows import MIN_SESSIONS
from pipeline.ports import ObjectStore, Tables
from pipeline.record.holes import fill_holes, find_holes
from pipeline.record.prior import LOOKED_BACK, PriorRecord, read_earlier_vintages
from pipeline.record.vintage import Vintage


def fill_vintage(
    store: ObjectStore,
    tables: Tables,
    vintage: Vintage,
    expected: Sequence[date],
    prior: PriorRecord,
) -> Vintage:
    """Return the vintage with its holes filled, as far as the record before it can.

    Which bars are not of this reading is said in what the vintage says of itself.

    Raises
    ------
    DamagedObject
        When a vintage that may have a bar is missing or changed.
    """
    past = np.array(expected[:-1], "datetime64[D]")
    holes = {symbol: find_holes(raw, past) for symbol, raw in vintage.bars.items()}
    holes = {symbol: sessions for symbol, sessions in holes.items() if len(sessions)}
    if not holes or prior.link is None:
        return vintage
    bars, filled = dict(vintage.bars), dict[str, Sessions]()
    for earlier in _list_earlier(store, tables, expected[-1], prior):
        for symbol, sessions in holes.items():
            if symbol in earlier:
                bars[symbol], new = fill_holes(bars[symbol], sessions, earlier[symbol])
                filled[symbol] = np.union1d(filled.get(symbol, new), new)
                holes[symbol] = np.setdiff1d(sessions, new)
        if not any(_matter(holes[symbol], bars[symbol], expected) for symbol in holes):
            break
    named = {symbol: tuple(days.tolist()) for symbol, days in filled.items() if len(days)}
    info = msgspec.structs.replace(vintage.info, filled=named) if named else vintage.info
    return Vintage(bars, info)


def _list_earlier(
    store: ObjectStore, tables: Tables, session: date, prior: PriorRecord
) -> Iterator[Mapping[str, RawBars]]:
    """Yield the bars of earlier sessions' vintages, newest first: those known, then those read."""
    yield prior.bars
    vintages = read_earlier_vintages(store, tables, prior.link, session, prior.repairs.lost)
    yield from (vintage.bars for vintage in islice(vintages, LOOKED_BACK))


def _matter(holes: Sessions, bars: RawBars, expected: Sequence[date]) -> bool:
    """Whether a hole lies in what a forecast sees, and not before the ticker's first bar."""
    first = max(np.datetime64(expected[-MIN_SESSIONS], "D"), bars.session[0])
    return bool((holes > first).any())
