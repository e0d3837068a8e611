"""The page reads well for everybody, whatever is on the record and however things are called."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from handlers.http.messages import Request
from handlers.http.responses import to_problem_response
from handlers.http.routes import Service
from handlers.local.gateway import Gateway
from pipeline.errors import ForecasterError
from pipeline.forecasting.model import Model
from pipeline.serving.api_keys import digest_key
from pipeline.serving.cached_views import CachedViews
from pipeline.serving.on_demand import OnDemand
from tests.browser.conftest import FOUR, Open
from tests.support.builders import latest_view
from tests.support.fakes import MemoryObjects
from tests.support.pages import latest, page, past
from tests.support.scenarios import cube, view
from tests.support.track_records import mode_figures, track_record

AXE = Path(__file__).resolve().parents[2] / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
HOSTILE, IMAGE = "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>'
SPY = latest_view()["tickers"]["SPY"]


def hostile_page() -> str:
    gone = {**latest_view()["tickers"]["IWM"], "status": f"withheld:{HOSTILE}"}
    names = {
        HOSTILE: SPY,
        "=HYPERLINK(1)": SPY,
        "A" * 40: gone,
        '"><img src=x onerror=alert(1)>': SPY,
    }
    record = track_record(live=mode_figures())
    return page(latest(source=f"{HOSTILE} & </style>", tickers=names), record, {HOSTILE: past()})


def many_page(n: int = 500) -> str:
    names = [f"T{k:03}" for k in range(n)]
    return page(latest(tickers=dict.fromkeys(names, SPY)), history=dict.fromkeys(names, past(30)))


PAGES = {
    "withheld": lambda: page(record=track_record(live=mode_figures())),
    "scenarios": lambda: page(scenarios=view(cube(("DIA", "IWM", "QQQ", "SPY")))),
    "nothing realised": lambda: page(history={}),
    "hostile": hostile_page,
    "many": many_page,
}


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("which", ["record", *PAGES])
def test_nothing_scrolls_sideways(opened: Open, html: bytes, which: str, width: int) -> None:
    text = html if which == "record" else PAGES[which]()
    shown = opened(text, viewport={"width": width, "height": 800})
    assert shown.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("which", ["record", *PAGES])
def test_axe_finds_nothing_serious(opened: Open, html: bytes, which: str, scheme: str) -> None:
    if not AXE.is_file():
        pytest.skip("expected node_modules/axe-core, found none: make node_modules/.made")
    text = {"record": html, "many": many_page(40)}.get(which) or PAGES[which]()
    shown = opened(text, color_scheme=scheme)
    shown.evaluate(AXE.read_text(encoding="utf-8"))
    found = shown.evaluate(
        "(rules) => axe.run(document, {runOnly: rules, resultTypes: ['violations']})", RULES
    )
    assert [
        (each["id"], [node["html"] for node in each["nodes"]][:3])
        for each in found["violations"]
        if each["impact"] in ("serious", "critical")
    ] == []


GROUND = "getComputedStyle(document.body).backgroundColor"
LIGHT, DARK = "rgb(255, 255, 255)", "rgb(20, 23, 28)"


def test_light_and_dark_follow_the_system_until_a_reader_chooses(opened: Open, html: bytes) -> None:
    assert opened(html, color_scheme="light").evaluate(GROUND) == LIGHT
    shown = opened(html, color_scheme="dark")
    picture = "document.querySelector('#chart canvas').toDataURL()"
    assert shown.evaluate(GROUND) == DARK
    dark = shown.evaluate(picture)
    toggle = shown.locator("#theme")
    for label, ground in (("light", LIGHT), ("dark", DARK), ("system", DARK)):
        toggle.click()
        assert toggle.inner_text() == f"Theme: {label}"
        assert shown.evaluate(GROUND) == ground
        assert (shown.evaluate(picture) == dark) is (ground == DARK)
    toggle.click()
    shown.reload()
    assert shown.evaluate(GROUND) == LIGHT


def test_a_withheld_ticker_has_its_reason_and_no_fan(opened: Open) -> None:
    shown = opened(page())
    shown.get_by_role("button", name="IWM", exact=True).click()
    said = shown.locator("main").inner_text()
    assert "Withheld: the newest bar is older than the session." in said
    assert shown.locator("#levels td").all_inner_texts() == [
        "Withheld: the newest bar is older than the session"
    ]


NEXT = datetime(2024, 12, 30, tzinfo=UTC)  # the session after that of the page


@pytest.mark.parametrize(
    ("at", "said"),
    [
        (NEXT + timedelta(hours=26), ""),
        (NEXT + timedelta(days=1, hours=3), "Old: 1 session is over since."),
        (NEXT + timedelta(days=2, hours=3), "Old: 2 sessions are over since."),
        (NEXT + timedelta(days=300), "Old: 5 or more sessions are over since."),
    ],
)
def test_old_forecasts_are_called_old_by_the_reader_s_clock(
    opened: Open, at: datetime, said: str
) -> None:
    banner = opened(page(), at=at).locator("#stale")
    assert banner.is_visible() is bool(said)
    assert banner.inner_text().startswith(said)


def test_what_is_in_sample_is_said_at_the_top_and_with_the_figures(
    opened: Open, html: bytes
) -> None:
    learnt = {**SPY, "model_version": "2024-12-31-0123456789ab"}
    shown = opened(page(latest(tickers={"SPY": learnt})), at=NEXT)
    banners = shown.locator(".banner:visible")
    assert banners.first.inner_text().startswith("In sample: the model has learnt from data up to")
    figures = opened(html).locator(".banner:visible").last
    assert "of these sessions the model had learnt what came" in figures.inner_text()


def test_one_of_500_tickers_is_found_by_its_name(opened: Open) -> None:
    shown = opened(many_page())
    picker = shown.get_by_label("Ticker", exact=False).locator("input")
    assert picker.input_value() == "T000"
    picker.fill("t321")
    assert shown.locator("#h-chart").inner_text() == "T321"
    assert shown.locator("#names option").count() == 500
    picker.fill("none")
    assert shown.locator("#h-chart").inner_text() == "T321"


def test_names_and_reasons_of_others_are_text(opened: Open) -> None:
    shown = opened(hostile_page(), accept_downloads=True)
    for ticker in (HOSTILE, "A" * 40, "=HYPERLINK(1)"):
        shown.get_by_role("button", name=ticker, exact=True).click()
        assert shown.locator("#h-chart").inner_text() == ticker
    assert HOSTILE in shown.locator("header").inner_text()
    assert shown.locator("img, main script").count() == 0
    with shown.expect_download() as saved:
        shown.locator("#csv-levels").click()
    text = Path(saved.value.path()).read_text(encoding="utf-8")
    assert "\n'=HYPERLINK(1)," in text
    assert '\n"""><img src=x onerror=alert(1)>",' in text


def test_without_scripts_the_same_is_there_in_tables(opened: Open, html: bytes) -> None:
    shown = opened(html, java_script_enabled=False)
    assert shown.locator("#explorer").is_hidden()
    # A fan of each ticker, and the histogram of what equal weights can lose.
    assert shown.locator("figure svg").count() == len(FOUR) + 1
    for ticker in FOUR:
        assert shown.locator("noscript summary", has_text=ticker).is_visible()
    text = shown.locator("main").inner_text()
    for said in ("97.5 %", "In sample", "Last verdict and next session", "forecaster verify"):
        assert said in text


KEY = "fcast_browser"


@pytest.fixture
def served(model: Model, html: bytes) -> Iterator[str]:
    views = CachedViews(MemoryObjects({"index.html": html}).read, lambda: 0.0)
    service = Service(OnDemand(model, views), (digest_key(KEY),))

    def handle(event: Any, _: Any) -> dict[str, Any]:
        try:
            return service.answer(Request.of(event)).event()
        except ForecasterError as exc:
            return to_problem_response(exc)[0].event()

    with Gateway(0, handle) as gateway:
        threading.Thread(target=gateway.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{gateway.server_port}/"
        gateway.shutdown()


def test_a_browser_that_knows_the_key_sees_the_page(opened: Open, served: str) -> None:
    shown = opened(url=served, http_credentials={"username": "anybody", "password": KEY})
    assert shown.locator("#explorer").is_visible()
    assert shown.locator("#chart canvas").count() == 1
