"""The slider says how likely a price is, as the published levels have it."""

from __future__ import annotations

import re
from math import exp, log
from typing import Any

import numpy as np
import pytest

from pipeline.forecasting.levels import LEVELS
from pipeline.forecasting.tails import lower_scale
from tests.browser.conftest import Open
from tests.support.builders import latest_view
from tests.support.pages import latest, page
from tests.support.scenarios import cube, view
from tests.support.track_records import mode_figures, track_record

ABOUT = re.compile(r"SPY below ([\d.]+) at the close of (\S+): ([\d.]+) %; above: ([\d.]+) %\.")
SPY = latest_view()["tickers"]["SPY"]
CLOSE = SPY["last_close"]


def quantiles(horizon: int) -> np.ndarray:
    limits = SPY["horizons"][horizon]["intervals"]
    lower = [limits[c][0] for c in ("98", "95", "90", "80", "50")]
    upper = [limits[c][1] for c in ("50", "80", "90", "95", "98")]
    return np.log(np.array([*lower, SPY["horizons"][horizon]["prediction"], *upper]) / CLOSE)


def expected(price: float, horizon: int) -> float:
    """Return the level of a price: linear between the levels, exponential beyond (`tails`)."""
    q, value = quantiles(horizon), log(price / CLOSE)
    if value < q[0]:
        return 0.01 * exp((value - q[0]) / float(lower_scale(q)))
    if value > q[-1]:
        return 1 - 0.01 * exp((q[-1] - value) / float(lower_scale(-q[::-1])))
    return float(np.interp(value, q, LEVELS))


def page_of_scenarios() -> str:
    tickers = {"IWM": latest_view()["tickers"]["IWM"], "SPY": SPY, "QQQ": SPY}
    record = track_record(live=mode_figures())
    four = view(cube(("DIA", "IWM", "QQQ", "SPY")))
    return page(latest(tickers=tickers), record, scenarios=four)


def said(shown: Any) -> tuple[float, str, float, float]:
    text = shown.inner_text("#likely-said")
    match = ABOUT.fullmatch(text)
    assert match, text
    return float(match[1]), match[2], float(match[3]), float(match[4])


def slide(shown: Any, to: int) -> None:
    shown.locator("#likely-price").fill(str(to))


def test_it_begins_at_the_last_close(opened: Open) -> None:
    price, day, below, above = said(opened(page()))
    assert (price, day) == (pytest.approx(CLOSE, abs=0.05), "2024-12-30")
    assert below == pytest.approx(100 * expected(price, 0), abs=0.1)
    assert below + above == pytest.approx(100, abs=0.11)


@pytest.mark.parametrize("to", [200, 210, 250, 400, 500, 650, 780, 795])
def test_every_price_has_the_level_that_the_published_quantiles_give_it(
    opened: Open, to: int
) -> None:
    shown = opened(page())
    slide(shown, to)
    price, _, below, _ = said(shown)
    assert below == pytest.approx(100 * expected(price, 0), abs=0.15)


def test_the_ends_are_said_in_words_and_the_likelihood_never_falls(opened: Open) -> None:
    shown = opened(page())
    slide(shown, 0)
    assert re.search(r": (less than 0\.1|0\.\d) %", shown.inner_text("#likely-said"))
    shares = []
    for to in range(200, 900, 100):
        slide(shown, to)
        shares.append(said(shown)[2])
    assert shares == sorted(shares)


def test_another_day_and_ticker_have_their_own(opened: Open) -> None:
    shown = opened(page_of_scenarios())
    assert set(shown.locator("#likely-ticker option").all_inner_texts()) == {"QQQ", "SPY"}
    shown.locator("#likely-ticker").select_option(label="SPY")
    shown.locator("#likely-day").select_option(label="2025-01-06")
    assert said(shown)[1] == "2025-01-06"


def test_keys_move_it_and_a_reader_hears_the_price(opened: Open) -> None:
    shown = opened(page())
    before = said(shown)[0]
    shown.locator("#likely-price").focus()
    shown.keyboard.press("ArrowRight")
    assert said(shown)[0] > before
    heard = shown.locator("#likely-price").get_attribute("aria-valuetext")
    assert float(heard or "0") == said(shown)[0]


def test_without_scripts_and_without_forecasts_there_is_no_slider(opened: Open) -> None:
    quiet = opened(page_of_scenarios(), java_script_enabled=False)
    assert quiet.locator("#likely").is_hidden()
    assert quiet.locator(".histogram").is_visible()
    assert "how likely a close below its prices is" in quiet.locator("noscript").inner_text()
    none = latest(tickers={"IWM": latest_view()["tickers"]["IWM"]})
    assert opened(page(none)).locator("#likely").is_hidden()
