"""The page of the record: what it says is what the views say, and it needs nothing else."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from typing import Any

import msgspec
import pytest

from pipeline.forecasting.model import Model
from pipeline.views.page import render
from pipeline.views.page.render import encode_data, mark_dates, render_page
from tests.support.builders import latest_view
from tests.support.pages import latest, page, past, sources
from tests.support.records import SESSIONS, backfilled
from tests.support.track_records import mode_figures, track_record

VOID = {"meta", "br", "input", "link"}
RAW = {"script", "style"}


class Page(HTMLParser):
    """Reads a page as a browser without scripts does, and fails where tags do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.cells: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.elements: list[tuple[str, str]] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, *attribute) for attribute in attrs]
        self.elements.append((tag, ""))
        if tag in {"td", "th"}:
            self.cells.append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, *attribute) for attribute in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in {"td", "th"}:
            self.cells[-1] += data
        if self.open and self.open[-1] in RAW:
            self.elements[-1] = (self.open[-1], data)

    def texts(self, tag: str) -> list[str]:
        return [text for name, text in self.elements if name == tag]


def data_of(text: str) -> Any:
    return json.loads(Page(text).texts("script")[0])


def test_all_levels_of_every_forecast_are_there_without_scripts_too() -> None:
    cells = Page(page()).cells
    at = cells.index("2024-12-30")
    assert cells[at - 1] == "SPY"
    assert cells[at + 1 : at + 12] == [
        "390.20", "390.50", "391.00", "392.00", "395.00", "400.00",
        "405.00", "408.00", "409.00", "409.50", "409.80",
    ]  # fmt: skip
    assert [row[0] for row in data_of(page())["tickers"][1]["fan"]] == [
        str(horizon.target_date) for horizon in latest().tickers["SPY"].horizons
    ]


def test_a_surprise_is_said_in_the_tile_in_the_data_and_without_scripts() -> None:
    text = page(history={"SPY": past(60, realised_close=420.0, surprise=True)})
    assert data_of(text)["tickers"][1]["past"]["x"] == [59]
    assert data_of(page())["tickers"][1]["past"]["x"] == []
    assert "above, a surprise" in Page(text).cells
    assert "405.00: a surprise, outside the 98 % interval too." in text


def test_no_line_ends_within_a_date_and_text_stays_text() -> None:
    assert mark_dates("<b> on 2024-12-27.") == "&lt;b&gt; on <time>2024-12-27</time>."


def test_script_and_style_are_those_the_policy_names_and_nothing_else_may_run() -> None:
    text = page()
    read = Page(text)
    data, script = read.texts("script")
    (style,) = read.texts("style")
    (policy,) = [value for _, _, value in read.attributes if value and "default-src" in value]

    def digest(of: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(of.encode()).digest()).decode()}'"

    assert dict(part.strip().partition(" ")[::2] for part in policy.split(";")) == {
        "default-src": "'none'",
        "script-src": digest(script),
        "style-src": digest(style),
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    json.loads(data)


def test_the_page_names_no_other_place_and_has_no_inline_handler() -> None:
    read = Page(page(record=track_record(live=mode_figures())))
    names = {name for _, name, _ in read.attributes}
    assert not {name for name in names if name.startswith("on")} | (names & {"src", "style"})
    assert [value for _, name, value in read.attributes if name == "href"] == ["data:,"]
    own = re.sub(r"/\*!.*?\*/", "", render.read_script(), flags=re.DOTALL)
    assert "http" not in own + render.read_style()


HOSTILE = [
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "</script><script>alert(1)",
    "<!--<script>", "a & b", "{{ 7*7 }}", "\u2028\u2029", "]]>", "';alert(1)//",
]  # fmt: skip


@pytest.mark.parametrize("label", HOSTILE)
def test_what_others_named_stays_text_and_data(label: str) -> None:
    tickers = latest_view()["tickers"]
    gone = {**tickers["IWM"], "status": f"withheld:{label}"}
    view = latest(source=label, tickers={label: tickers["SPY"], "IWM": gone})
    text = page(view, history={label: past()})
    read, plain = Page(text), Page(page())
    elements = [tag for tag, _ in read.elements]
    assert len(elements) == len([tag for tag, _ in plain.elements])
    assert label in read.cells
    data = data_of(text)
    assert (data["source"], data["tickers"][0]["t"]) == (label, label)
    assert "49" not in [cell.strip() for cell in read.cells]


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_in_data_can_end_its_element(text: str) -> None:
    encoded = encode_data({text: text})
    assert not set("<>&\u2028\u2029") & set(encoded)
    assert json.loads(encoded) == {text: text}


def test_whoever_serves_the_page_finds_in_it_when_it_is_old() -> None:
    days = "2024-12-30 2024-12-31 2025-01-02 2025-01-03 2025-01-06"
    assert f"<!--next sessions {days}-->" in page()


def test_equal_sources_make_equal_pages() -> None:
    assert render_page(sources()) == render_page(sources())


def test_a_year_of_four_tickers_takes_less_than_300_kb() -> None:
    spy = latest_view()["tickers"]["SPY"]
    names = ("DIA", "IWM", "QQQ", "SPY")
    rows = [
        msgspec.structs.replace(row, realised_close=400 + k / 7, upper_95=410 + k / 7.7)
        for k, row in enumerate(past(252, low=391.2345678))
    ]
    figures = mode_figures()
    figures = msgspec.structs.replace(figures, tickers=dict.fromkeys(names, figures.pooled))
    view = latest(tickers=dict.fromkeys(names, spy))
    text = page(view, track_record(live=figures), dict.fromkeys(names, rows))
    assert len(text.encode()) < 300_000
    assert {len(ticker["past"]["d"]) for ticker in data_of(text)["tickers"]} == {252}


def test_500_tickers_are_bounded_and_more_are_named() -> None:
    spy = latest_view()["tickers"]["SPY"]
    names = [f"T{k:04}" for k in range(600)]
    history = dict.fromkeys(names[:500], past(252))
    text = page(latest(tickers=dict.fromkeys(names, spy)), history=history)
    tickers = data_of(text)["tickers"]
    assert (len(tickers), len(tickers[0]["past"]["d"])) == (500, 20)
    assert "100 more tickers are in the record, not on this page" in text
    assert "This page has 20 sessions of each ticker" in text
    assert len(text.encode()) < 1_000_000


def test_before_anything_is_realised_the_page_has_the_closes_of_the_bars(model: Model) -> None:
    store = backfilled(model, SESSIONS[-1], SESSIONS[-1])
    data = data_of(store.objects["index.html"].decode())
    for ticker in data["tickers"]:
        assert len(ticker["past"]["d"]) == 252
        assert data["days"][ticker["past"]["d"][-1]] == str(SESSIONS[-1])
        assert set(ticker["past"]["l"]) == {None}
