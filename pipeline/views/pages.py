"""Pages: latest.json of many tickers, an index and a document for each few of them.

So a request for one ticker reads kilobytes, however many there are. A page is a `Latest` of its
own, right whatever index it is read with.
"""

from __future__ import annotations

from bisect import bisect_right

import msgspec

from pipeline.record.keys import LATEST, latest_page_key
from pipeline.views.documents import Latest

MOST_IN_ONE = 60  # tickers, some 250 kB
OF_A_PAGE = 20


def split_pages(latest: Latest) -> dict[str, Latest]:
    """Return the documents of a session by their keys, the index last: it leads to the others."""
    if len(latest.tickers) <= MOST_IN_ONE:
        return {LATEST: latest}
    names = sorted(latest.tickers)
    groups = [names[at : at + OF_A_PAGE] for at in range(0, len(names), OF_A_PAGE)]
    pages = {latest_page_key(k): _select(latest, group) for k, group in enumerate(groups)}
    first = tuple(group[0] for group in groups)
    return {**pages, LATEST: msgspec.structs.replace(latest, tickers={}, pages=first)}


def find_page(index: Latest, ticker: str) -> str | None:
    """Return the key of the page that a ticker is on, if on any; None where all is in the index."""
    if not index.pages:
        return None
    return latest_page_key(max(bisect_right(index.pages, ticker) - 1, 0))


def _select(latest: Latest, tickers: list[str]) -> Latest:
    """Return what is said of some tickers, and of all alike."""
    kept = {ticker: latest.tickers[ticker] for ticker in tickers}
    about = [(note, tuple(t for t in note.tickers if t in kept)) for note in latest.notes]
    notes = tuple(
        msgspec.structs.replace(note, tickers=named)
        for note, named in about
        if named or not note.tickers
    )
    return msgspec.structs.replace(latest, tickers=kept, notes=notes)
