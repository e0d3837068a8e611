"""Proven: which tickers a model was proven on, by its bundle or by the ticker's own record."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from pipeline.forecasting.bundle import ModelBundle
from pipeline.forecasting.models import is_proven_on
from pipeline.record.manifest import Mode, RunManifest
from pipeline.record.notes import Note, NoteCode
from pipeline.record.state import State

# Scored sessions after which a ticker's own figures say how good its forecasts are: a year.
ENOUGH_SESSIONS = 250
UNPROVEN = "not among the tickers that the model was proven on"
UNSEEN = f"{UNPROVEN}; it was proven on others that it had never seen, see the model card"
UNTIL = f"its own record says more after {ENOUGH_SESSIONS} scored sessions"


def with_unproven(
    manifest: RunManifest, bundle: ModelBundle, others: dict[str, ModelBundle], state: State
) -> RunManifest:
    """Return a part's manifest with a note of the published tickers that nothing is proven on.

    Parameters
    ----------
    bundle, others : the bundle on duty, and those of tickers that another serves
    state : of the part, with the figures so far
    """
    unproven = [
        ticker
        for ticker in sorted(manifest.published)
        if not is_proven_on(others.get(ticker, bundle).manifest, ticker)
        and count_scored(state, ticker) < ENOUGH_SESSIONS
    ]
    notes = (*manifest.notes, *_note_unproven(unproven, others))
    return msgspec.structs.replace(manifest, notes=notes)


def count_scored(state: State, ticker: str) -> int:
    """Return the sessions scored of a ticker, live or in a backfill that had learned none of them.

    Where a model had learned some of a backfill's sessions, none of that count.
    """
    tracks = (state.tracks.get(mode) for mode in (Mode.LIVE, Mode.BACKFILL))
    honest = [track.tickers for track in tracks if track and not track.in_sample]
    return sum(tickers[ticker].scored for tickers in honest if ticker in tickers)


def _note_unproven(tickers: Iterable[str], others: dict[str, ModelBundle]) -> Iterator[Note]:
    tickers = list(tickers)
    unseen = tuple(ticker for ticker in tickers if ticker in others)
    served = tuple(ticker for ticker in tickers if ticker not in others)
    for named, words in ((served, UNPROVEN), (unseen, UNSEEN)):
        if named:
            yield Note(NoteCode.UNPROVEN, f"{words}; {UNTIL}", named)
