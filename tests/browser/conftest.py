"""One Chromium for all tests of the page; each opens its page in a window of its own."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pipeline.forecasting.model import Model
from pipeline.jobs.backfill.run import backfill
from tests.support.fakes import MemoryObjects
from tests.support.records import LONG_AFTER, SESSIONS, job_on, market, run_day

HERE = Path(__file__).parent
NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
FOUR = ("SPY", "QQQ", "DIA", "IWM")
Open = Callable[..., Any]
# What a page must never do; a dialog is what a script of somebody else would show.
WATCH = """
window.broken = [];
addEventListener("securitypolicyviolation", (e) => broken.push(`policy: ${e.violatedDirective}`));
addEventListener("error", (e) => broken.push(`error: ${e.message}`));
window.alert = (text) => broken.push(`alert: ${text}`);
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("browser")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="expected playwright, got none: pip install -e '.[dev]'"
    )
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(f"no browser here (expected one of {', '.join(NAMES)} on the path)")
    with playwright.sync_playwright() as driver:
        yield driver.chromium.launch(executable_path=program, args=list(FLAGS))


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Open]:
    """Open a page from a file, or an address, and see afterwards that nothing went wrong in it."""
    with _watched_pages(browser, tmp_path) as open_page:
        yield open_page


@contextmanager
def _watched_pages(browser: Any, folder: Path) -> Iterator[Open]:
    contexts, pages = [], []
    said: list[str] = []

    def open_page(
        html: str | bytes | None = None, url: str = "", at: Any = None, **how: Any
    ) -> Any:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}} | how)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.add_init_script(WATCH)
        if at is not None:
            page.clock.set_fixed_time(at)
        if html:
            file = folder / f"page-{len(contexts)}.html"
            file.write_bytes(html.encode() if isinstance(html, str) else html)
            url = file.as_uri()
        page.goto(url)
        if how.get("java_script_enabled", True):
            pages.append(page)
        return page

    try:
        yield open_page
        broken = [wrong for page in pages for wrong in page.evaluate("window.broken")]
        assert [*said, *broken] == []
    finally:
        for context in contexts:
            context.close()


@pytest.fixture(scope="session")
def record(model: Model) -> MemoryObjects:
    """Seventy sessions of four ETFs, made afterwards but for the newest two."""
    store, bars = MemoryObjects(), market(FOUR)
    job = job_on(model, store, bars, tickers=FOUR)
    backfill(job, SESSIONS[-70], SESSIONS[-3], LONG_AFTER, lambda done, of: None)
    for session in SESSIONS[-2:]:
        run_day(model, store, session, bars, tickers=FOUR)
    return store


@pytest.fixture(scope="session")
def html(record: MemoryObjects) -> bytes:
    return record.objects["index.html"]
