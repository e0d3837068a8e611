"""The page with a year of four ETFs: its size, and how soon it is drawn; `docs` draws its picture.

python -m benchmarks.page          size, and the time until the chart is there, over loopback
python -m benchmarks.page docs     docs/page.png and docs/page-dark.png
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import Any

from handlers.local.demo import fill
from pipeline.adapters.exchange.calendar import ExchangeCalendar
from pipeline.adapters.simulated.market import SimulatedMarket
from pipeline.jobs import daily
from pipeline.record.keys import DASHBOARD
from pipeline.wiring import DEFAULT_BUNDLE, DEFAULT_TICKERS, daily_job, open_store, parse_tickers

EVENING = datetime(2025, 6, 30, 23, tzinfo=UTC)
SIZE_BUDGET, DRAWN_BUDGET = 300, 1.0  # kB, seconds
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]
PICTURES = {"light": "page.png", "dark": "page-dark.png"}
DRAWN = "() => document.querySelector('#chart canvas') && performance.now()"


def main(folder: str | None) -> None:
    with tempfile.TemporaryDirectory() as store, browser() as chromium:
        publish(store)
        page = Path(store) / DASHBOARD
        if folder is None:
            measure(chromium, page)
        else:
            draw(chromium, page, Path(folder))


def publish(location: str) -> None:
    """Fill a store with a year of simulated sessions, the newest of them live."""
    fill(location, EVENING)
    calendar = ExchangeCalendar()
    market, names = SimulatedMarket(calendar), parse_tickers(DEFAULT_TICKERS)
    job = daily_job(names, market, calendar, store=open_store(location), bundle=DEFAULT_BUNDLE)
    daily.run(job, EVENING, EVENING)


@contextmanager
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        sys.exit("expected chromium on the path, found none")
    with sync_playwright() as driver:
        yield driver.chromium.launch(executable_path=program, args=FLAGS)


def measure(chromium: Any, page: Path) -> None:
    handler = partial(QuietHandler, directory=page.parent)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        seconds = median(time_until_drawn(chromium, server.server_port) for _ in range(5))
        server.shutdown()
    print(f"{'':<22} {'':>8} {'budget':>8}")
    print(f"{'size, kB':<22} {page.stat().st_size / 1000:>8.0f} {SIZE_BUDGET:>8}")
    print(f"{'until drawn, s':<22} {seconds:>8.2f} {DRAWN_BUDGET:>8}")


def time_until_drawn(chromium: Any, port: int) -> float:
    context = chromium.new_context()
    window = context.new_page()
    window.goto(f"http://127.0.0.1:{port}/{DASHBOARD}")
    drawn = window.wait_for_function(DRAWN).json_value()
    context.close()
    return float(drawn) / 1000


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


def draw(chromium: Any, page: Path, folder: Path) -> None:
    from PIL import Image

    for scheme, name in PICTURES.items():
        context = chromium.new_context(
            viewport={"width": 1200, "height": 1150}, color_scheme=scheme
        )
        window = context.new_page()
        window.clock.set_fixed_time(EVENING)
        window.goto(page.as_uri())
        window.wait_for_function(DRAWN)
        window.get_by_role("button", name="SPY", exact=True).click()
        window.mouse.move(0, 0)
        window.screenshot(path=str(folder / name))
        # Few colours are in it, and the README is opened often.
        Image.open(folder / name).quantize(96).save(folder / name, optimize=True)
        print(folder / name, (folder / name).stat().st_size // 1000, "kB")


if __name__ == "__main__":
    main(sys.argv[1] if sys.argv[1:] else None)
