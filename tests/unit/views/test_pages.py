"""Pages: one ticker of very many is read with those beside it, and as if it were alone."""

from __future__ import annotations

from datetime import UTC, date, datetime

import msgspec
import pytest

from pipeline.encoding import to_json
from pipeline.errors import NotFound, NotPublished, StoreError
from pipeline.record.grammar import Kind, kind_of
from pipeline.record.keys import LATEST
from pipeline.record.notes import Note, NoteCode
from pipeline.serving.cached_views import CachedViews
from pipeline.serving.published import find_ticker
from pipeline.views.documents import Latest, TickerForecast
from pipeline.views.pages import MOST_IN_ONE, OF_A_PAGE, split_pages

ISSUED = datetime(2026, 11, 20, 23, 30, tzinfo=UTC)


def build(count: int, notes: tuple[Note, ...] = ()) -> Latest:
    tickers = {
        f"T{number:04d}": TickerForecast("ok", f"model-{number}", ISSUED) for number in range(count)
    }
    return Latest(1, date(2026, 11, 20), "simulated", tickers, (date(2026, 11, 23),), notes)


def serve(latest: Latest) -> CachedViews:
    store = {key: to_json(page) for key, page in split_pages(latest).items()}
    return CachedViews(store.get, lambda: 0.0)


def test_few_tickers_are_in_one_document() -> None:
    latest = build(MOST_IN_ONE)
    assert split_pages(latest) == {LATEST: latest}
    assert serve(latest).latest_of("T0007") == latest
    assert b"pages" not in to_json(latest)


@pytest.mark.parametrize("count", [MOST_IN_ONE + 1, 4 * OF_A_PAGE, 407])
def test_each_ticker_is_on_one_page_that_says_what_the_whole_says(count: int) -> None:
    latest = build(count)
    pages = split_pages(latest)
    assert [*pages][-1] == LATEST  # written last, so that what it leads to is there
    assert all(kind_of(key) is Kind.VIEW for key in pages)
    index = pages.pop(LATEST)
    assert (index.tickers, len(index.pages)) == ({}, len(pages))
    named = [ticker for page in pages.values() for ticker in page.tickers]
    assert named == sorted(latest.tickers)
    assert max(len(page.tickers) for page in pages.values()) == OF_A_PAGE
    views = serve(latest)
    for ticker, forecast in latest.tickers.items():
        page = views.latest_of(ticker)
        assert find_ticker(page, ticker) == forecast
        assert (page.session, page.next_sessions) == (latest.session, latest.next_sessions)


@pytest.mark.parametrize("ticker", ["A", "T0019A", "ZZZ"])
def test_a_ticker_that_is_on_none_is_not_found(ticker: str) -> None:
    with pytest.raises(NotFound, match=f"got {ticker}"):
        find_ticker(serve(build(100)).latest_of(ticker), ticker)


def test_a_page_has_the_notes_that_are_about_its_tickers() -> None:
    of_some = Note(NoteCode.UNPROVEN, "not proven", ("T0001", "T0050"))
    of_all = Note(NoteCode.VIX_MISSING, "no closes", ())
    views = serve(build(100, (of_some, of_all)))
    only = msgspec.structs.replace(of_some, tickers=("T0050",))
    assert views.latest_of("T0050").notes == (only, of_all)
    assert views.latest_of("T0099").notes == (of_all,)
    assert views.latest().notes == (of_some, of_all)


def test_pages_of_a_newer_index_lead_to_it_at_once() -> None:
    store = {key: to_json(page) for key, page in split_pages(build(100)).items()}
    views = CachedViews(store.get, lambda: 0.0)
    assert "T0050" in views.latest_of("T0050").tickers  # the index is kept
    more = build(100)
    more = msgspec.structs.replace(more, tickers={"A": more.tickers["T0001"], **more.tickers})
    store.update({key: to_json(page) for key, page in split_pages(more).items()})
    for ticker in more.tickers:
        assert ticker in views.latest_of(ticker).tickers


def test_a_page_that_the_store_gives_no_more_is_told_by_its_age() -> None:
    store = {key: to_json(page) for key, page in split_pages(build(100)).items()}
    seconds, away = [0.0], set[str]()

    def read(key: str) -> bytes | None:
        if key in away:
            raise StoreError("away")
        return store.get(key)

    views = CachedViews(read, lambda: seconds[0])
    views.latest_of("T0050")
    assert views.age_of("T0050") is None
    seconds[0] = 100.0
    away.add("latest/002.json")
    views.latest_of("T0050")
    assert views.age_of("T0050") == 100.0
    assert views.age_of("T0001") is None


def test_a_page_that_is_not_there_is_not_published() -> None:
    store = {LATEST: to_json(split_pages(build(100))[LATEST])}
    with pytest.raises(NotPublished, match=r"latest/000\.json"):
        CachedViews(store.get, lambda: 0.0).latest_of("T0001")
