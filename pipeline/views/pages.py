"""Pages: latest.json of many tickers, an index and a document for each few of them.

So a request for one ticker reads kilobytes, however many there are. A page is a `Latest` of its
own, right whatever index it is read with.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence

import msgspec

from pipeline.record.keys import LATEST, latest_page_key
from pipeline.record.notes import Note
from pipeline.views.documents import Latest

MOST_IN_ONE = 60  # tickers, some 250 kB
OF_A_PAGE = 20


def split_pages(latest: Latest) -> dict[str, Latest]:
    """Return the documents of a session by their keys, the index last: it leads to the others."""
    if len(latest.tickers) <= MOST_IN_ONE:
        return {LATEST: latest}
    names = sorted(latest.tickers)
    about = _index_notes(latest.notes)
    groups = [names[at : at + OF_A_PAGE] for at in range(0, len(names), OF_A_PAGE)]
    pages = {latest_page_key(k): _select(latest, group, about) for k, group in enumerate(groups)}
    first = tuple(group[0] for group in groups)
    return {**pages, LATEST: msgspec.structs.replace(latest, tickers={}, pages=first)}


def find_page(index: Latest, ticker: str) -> str | None:
    """Return the key of the page that a ticker is on, if on any; None where all is in the index."""
    if not index.pages:
        return None
    return latest_page_key(max(bisect_right(index.pages, ticker) - 1, 0))


def is_page_of(page: Latest, index: Latest) -> bool:
    """Whether a page, or the index itself, is of the same tickers as the index."""
    return not index.pages or min(page.tickers, default="") in index.pages


def _index_notes(notes: Sequence[Note]) -> dict[str, list[int]]:
    """Return by ticker the numbers of the notes that are about it; under "" those about all."""
    about: dict[str, list[int]] = {}
    for number, note in enumerate(notes):
        for ticker in note.tickers or ("",):
            about.setdefault(ticker, []).append(number)
    return about


def _select(latest: Latest, tickers: Sequence[str], about: Mapping[str, list[int]]) -> Latest:
    """Return what is said of some tickers, and of all alike."""
    named: dict[int, list[str]] = {number: [] for number in about.get("", ())}
    for ticker in tickers:
        for number in about.get(ticker, ()):
            named.setdefault(number, []).append(ticker)
    notes = tuple(
        msgspec.structs.replace(latest.notes[number], tickers=tuple(of))
        for number, of in sorted(named.items())
    )
    of_page = {ticker: latest.tickers[ticker] for ticker in tickers}
    return msgspec.structs.replace(latest, tickers=of_page, notes=notes)
