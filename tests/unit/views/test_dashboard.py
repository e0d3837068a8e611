"""The page of the record: what it says is what the views say, and it needs nothing else."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any

import msgspec
import pytest

from pipeline.views.dashboard import render_dashboard
from pipeline.views.documents import Latest
from tests.support.builders import latest_view
from tests.support.track_records import mode_figures, track_record

VOID = {"meta", "br"}


class Page(HTMLParser):
    """Reads a page and fails where tags do not nest."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.open: list[str] = []
        self.cells: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.tags: set[str] = set()
        self.feed(page.decode())
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "td":
            self.cells.append(data)


EMPTY = track_record()


def latest(**changed: Any) -> Latest:
    return msgspec.convert(json.loads(json.dumps(latest_view())) | changed, Latest)


def test_every_forecast_has_its_row_and_its_picture() -> None:
    page = Page(render_dashboard(latest(), EMPTY))
    rows = [page.cells[i : i + 6] for i in range(0, len(page.cells), 6)]
    assert [row[1] for row in rows] == [
        str(horizon.target_date) for horizon in latest().tickers["SPY"].horizons
    ]
    assert rows[0] == ["SPY", "2024-12-30", "399.50", "400.00", "390.50 to 409.50"] + [
        "392.00 to 408.00"
    ]
    assert {"svg", "polygon", "polyline", "title"} <= page.tags


def test_a_withheld_ticker_is_named_with_its_reason() -> None:
    assert "IWM: withheld:stale" in render_dashboard(latest(), EMPTY).decode()


def test_live_figures_are_shown_where_there_are_any_and_others_named() -> None:
    page = render_dashboard(
        latest(), track_record(backfill=mode_figures(0.9), live=mode_figures(0.951))
    ).decode()
    assert "Issued live" in page
    assert "95.1%" in page
    assert "90.0%" not in page
    assert "+3.1%" in page
    assert "GARCH(1,1)-t 21.5" in page
    assert (
        "made afterwards (backfill)"
        in render_dashboard(latest(), track_record(backfill=mode_figures(0.9))).decode()
    )


def test_figures_in_sample_are_called_so_and_are_no_evidence() -> None:
    seen = track_record(backfill=mode_figures(in_sample_sessions=7))
    page = render_dashboard(latest(), seen).decode()
    assert "of 7 of these sessions the model had learnt what came" in page
    assert "E-value" not in page


def test_before_anything_is_realised_it_says_so() -> None:
    assert "No forecast has been realised yet" in render_dashboard(latest(), EMPTY).decode()


def test_invented_prices_stand_out() -> None:
    assert (
        "Simulated, not real" in render_dashboard(latest(source="simulated market"), EMPTY).decode()
    )
    assert "Simulated" not in render_dashboard(latest(source="Yahoo"), EMPTY).decode()


@pytest.mark.parametrize("label", ["<script>alert(1)</script>", '"><img src=x>', "a & b"])
def test_what_others_named_stays_text(label: str) -> None:
    tickers = latest_view()["tickers"]
    view = latest(source=label, tickers={label: tickers["SPY"], "IWM": tickers["IWM"]})
    page = Page(render_dashboard(view, EMPTY))
    assert not {"script", "img"} & page.tags
    assert label in page.cells


def test_the_page_loads_nothing_and_runs_nothing() -> None:
    page = Page(render_dashboard(latest(), track_record(live=mode_figures())))
    assert not {"script", "link", "img", "iframe"} & page.tags
    assert not {"src", "href", "onload", "onclick"} & {name for name, _ in page.attributes}


def test_of_forecasts_made_afterwards_the_newest_are_shown() -> None:
    older = mode_figures(0.9, last_session="2024-11-29")
    page = render_dashboard(latest(), track_record(as_of=older, backfill=mode_figures(0.951)))
    assert "made afterwards (backfill)" in page.decode()
    page = render_dashboard(latest(), track_record(backfill=older, as_of=mode_figures(0.951)))
    assert "made afterwards (as_of)" in page.decode()
