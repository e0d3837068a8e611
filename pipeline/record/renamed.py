"""Renamed: a ticker that goes on under another name starts with the gains that it had learned.

What was issued under the old name stays under it. A new name takes over once, in the first vintage
that has it: the record says so in that vintage and in a note.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import msgspec

from pipeline.errors import RequestError
from pipeline.record.notes import Note, NoteCode
from pipeline.record.prior import PriorRecord
from pipeline.record.state import State


def select_renamed(
    renamed: Mapping[str, str], tickers: Collection[str], prior: PriorRecord
) -> dict[str, str]:
    """Return new name -> old name of those of `tickers` that the record does not know yet.

    Raises
    ------
    RequestError
        When it knows neither name.
    """
    known = _list_known(prior)
    new = {name: old for name, old in renamed.items() if name in tickers and name not in known}
    for name, old in new.items():
        if old not in known:
            raise RequestError(
                f"{old}={name}: expected {old} on the record, found neither; where nobody says "
                f"that it was renamed, {name} starts as a new ticker does"
            )
    return new


def take_over(state: State, renamed: Mapping[str, str], fit: Collection[str]) -> State:
    """Return the state in which the new names that are fit have the old ones' gains and model."""
    gains, others = dict(state.log_gains), dict(state.served_by_others)
    for name, old in renamed.items():
        if name in fit and old in gains:
            gains[name] = gains[old]
            others |= {name: others[old]} if old in others else {}
    return msgspec.structs.replace(state, log_gains=gains, others=others or msgspec.UNSET)


def note_renamed(renamed: Mapping[str, str], published: Collection[str]) -> Iterator[Note]:
    """Yield of each new name that is published what it was before."""
    for name, old in renamed.items():
        if name in published:
            message = (
                f"was {old}, with whose gains it starts; what was issued as {old} stays under "
                "that name, and scores are counted anew"
            )
            yield Note(NoteCode.RENAMED, message, (name,))


def _list_known(prior: PriorRecord) -> set[str]:
    """Return the tickers that the record has published."""
    known = {ticker for part in prior.outstanding for ticker in part.tickers}
    tracks = prior.state.tracks.values() if prior.state else ()
    return known.union(*(track.tickers for track in tracks))
