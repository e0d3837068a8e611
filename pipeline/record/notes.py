"""Notes: what is wrong with a part's bars that withholds nobody, so that a reader knows.

A forecast that is made all the same, but of worse bars than the model had learnt from, says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from enum import StrEnum

import msgspec
import numpy as np

from pipeline.bars import VIX, RawBars
from pipeline.baselines.fixed_window import BASELINE_SESSIONS
from pipeline.forecasting.cents import look_adjusted
from pipeline.forecasting.ranges import have_ranges

SHORT = (
    f"fewer than {BASELINE_SESSIONS} bars: baselines are made from as many as there are, and say "
    "less than they would"
)
FLAT = (
    "open, high, low and close are one price in a week of the last month or more: volatility is "
    "read from closes alone, so that intervals are wider and follow more slowly"
)
SHOWN = 5  # sessions named one by one
NAMED = 20  # tickers
LESS_SHARP = "forecasts are made without it, a little less sharp"


class NoteCode(StrEnum):
    """What a note is about."""

    VIX_MISSING = "vix_missing"
    VIX_STALE = "vix_stale"
    VIX_NOT_A_NUMBER = "vix_not_a_number"
    ADJUSTED_PRICES = "adjusted_prices"
    FILLED_BARS = "filled_bars"
    CORRECTED_SCORES = "corrected_scores"
    FILE_DIALECT = "file_dialect"
    SOURCES_DISAGREE = "sources_disagree"
    NOT_CHECKED = "not_checked"
    NO_RANGES = "no_ranges"
    UNPROVEN = "unproven"
    SHORT_HISTORY = "short_history"
    RENAMED = "renamed"
    INDEPENDENT = "independent"


class Note(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a reader must know: a code for machines, words for people, of all tickers or some."""

    code: NoteCode
    message: str
    tickers: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The words, with the tickers that they are about, of very many the first."""
        more = f" and {len(self.tickers) - NAMED:,} more" if len(self.tickers) > NAMED else ""
        named = ", ".join(self.tickers[:NAMED]) + more
        return f"{named}: {self.message}" if named else self.message


def find_notes(
    bars: Mapping[str, RawBars],
    tickers: Sequence[str],
    covariates: Sequence[str],
    expected: Sequence[date],
) -> tuple[Note, ...]:
    """Return the notes on the bars of a part.

    Parameters
    ----------
    bars : by symbol
    tickers : those published
    covariates : symbols that the model has learnt from
    expected : the exchange's sessions up to the origin
    """
    of_vix = _check_vix(bars.get(VIX), expected) if VIX in covariates else ()
    adjusted = tuple(ticker for ticker in tickers if look_adjusted(bars[ticker]))
    flat = tuple(ticker for ticker in tickers if not have_ranges(bars[ticker]))
    return (
        *of_vix,
        *(_note_adjusted(adjusted) if adjusted else ()),
        *([Note(NoteCode.NO_RANGES, FLAT, flat)] if flat else ()),
    )


def note_short(bars: Mapping[str, RawBars], tickers: Sequence[str]) -> Iterator[Note]:
    """Yield of which tickers baselines see less than they would."""
    short = tuple(ticker for ticker in tickers if len(bars[ticker]) < BASELINE_SESSIONS)
    if short:
        yield Note(NoteCode.SHORT_HISTORY, SHORT, short)


def note_filled(filled: Mapping[str, Sequence[date]]) -> Iterator[Note]:
    """Yield which bars are not of this reading, alike ones together."""
    for sessions in dict.fromkeys(map(tuple, filled.values())):
        symbols = tuple(symbol for symbol, days in filled.items() if tuple(days) == sessions)
        message = f"the source has lost bars, the record had them: {_list_days(sessions)}"
        yield Note(NoteCode.FILLED_BARS, message, symbols)


def note_dialects(dialects: Mapping[str, str]) -> Iterator[Note]:
    """Yield how files were read that are not as Yahoo exports them, alike ones together."""
    for dialect in dict.fromkeys(dialects.values()):
        symbols = tuple(symbol for symbol, text in dialects.items() if text == dialect)
        yield Note(NoteCode.FILE_DIALECT, f"the file was read as {dialect}", symbols)


def note_corrected(corrected: Mapping[str, Sequence[date]]) -> Iterator[Note]:
    """Yield by ticker of which sessions the source has mended closes that had been scored by."""
    for ticker, sessions in corrected.items():
        message = f"the source has mended closes, and scores were corrected: {_list_days(sessions)}"
        yield Note(NoteCode.CORRECTED_SCORES, message, (ticker,))


def _list_days(sessions: Sequence[date]) -> str:
    more = f" and {len(sessions) - SHOWN} more" if len(sessions) > SHOWN else ""
    return ", ".join(map(str, sessions[:SHOWN])) + more


def select_notes(notes: Sequence[Note], ticker: str) -> tuple[Note, ...]:
    """Return the notes that are about a ticker."""
    return tuple(note for note in notes if not note.tickers or ticker in note.tickers)


def find_noted(notes: Iterable[Note], code: NoteCode) -> frozenset[str]:
    """Return the tickers that notes with a code are about."""
    return frozenset(ticker for note in notes if note.code == code for ticker in note.tickers)


def _check_vix(vix: RawBars | None, expected: Sequence[date]) -> Iterator[Note]:
    """Yield what is wrong with the newest close of the VIX."""
    if vix is None or len(vix) == 0:
        yield Note(NoteCode.VIX_MISSING, f"no closes of {VIX} were read: {LESS_SHARP}")
        return
    known = np.isfinite(vix.close) & (vix.close > 0)
    newest = vix.session.max()
    if not known[np.argmax(vix.session)]:
        message = f"the newest close of {VIX} is no number above 0: {LESS_SHARP}"
        yield Note(NoteCode.VIX_NOT_A_NUMBER, message)
        return
    behind = int((np.array(expected, "datetime64[D]") > newest).sum())
    if behind:
        message = f"the newest close of {VIX} is of {newest}, {behind} sessions behind"
        yield Note(NoteCode.VIX_STALE, f"{message}: {LESS_SHARP}")


def _note_adjusted(tickers: tuple[str, ...]) -> Iterator[Note]:
    message = (
        "older prices are not in cents while the newest are: they look adjusted for dividends; "
        "expected closes that are adjusted for splits alone"
    )
    yield Note(NoteCode.ADJUSTED_PRICES, message, tickers)
