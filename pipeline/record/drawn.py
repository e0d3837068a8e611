"""Drawn: which parts have scenarios, and which of them keep a whole template.

A thousand futures of each ticker and horizon are 45 kB a ticker and session. A backfill of 472
tickers over five years would be 26 GB of them, which nobody could have asked a question that day.
"""

from __future__ import annotations

from datetime import date
from enum import Enum

from pipeline.record.keys import session_of
from pipeline.record.manifest import Mode, RunManifest

# Of a part with more tickers none are drawn: a thousand futures of each horizon are too much.
MOST_TICKERS = 500
MOST_BACKFILLED = 50


class Kept(Enum):
    """What a part keeps of past outcomes.

    `NEW` are those that it scores itself: with the whole template that a month of such parts
    begins with, they are as much as another whole one.
    """

    NOTHING = 0
    NEW = 1
    WHOLE = 2


def has_scenarios(mode: Mode, n_tickers: int) -> bool:
    """Whether scenarios are drawn of a part that was asked for n tickers."""
    return n_tickers <= (MOST_BACKFILLED if mode is Mode.BACKFILL else MOST_TICKERS)


def select_kept(mode: Mode, n_tickers: int, session: date, before: date | None) -> Kept:
    """Return what a part keeps of past outcomes.

    Parameters
    ----------
    n_tickers : that the part was asked for
    before : session of the part before, None where the record begins
    """
    if n_tickers > MOST_TICKERS:
        return Kept.NOTHING
    of_month = before is not None and (before.year, before.month) == (session.year, session.month)
    return Kept.NEW if of_month and not has_scenarios(mode, n_tickers) else Kept.WHOLE


def kept_by(run: RunManifest) -> Kept:
    """Return what the part of a manifest keeps of past outcomes."""
    before = session_of(run.previous_key) if run.previous_key else None
    return select_kept(run.mode, len(run.tickers), run.session, before)
