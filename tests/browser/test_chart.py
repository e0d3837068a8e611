"""The chart says what the record says, to whoever points, touches or has only keys."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from pipeline.forecasting.model import Model
from tests.browser.conftest import FOUR, Open
from tests.support.fakes import MemoryObjects
from tests.support.pages import page as page_of
from tests.support.pages import past
from tests.support.records import SESSIONS, backfilled, rows_by_key, scores_of, table

LIMITS = {"95 %": 95, "80 %": 80, "50 %": 50}
FIRST_SAID = "said => document.querySelector('#readout dd').textContent === said"
PICTURE = "document.querySelector('#chart canvas').toDataURL()"
COLOURS = """() => {
  const canvas = document.querySelector('#chart canvas');
  const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  return new Set(new Uint32Array(data.buffer)).size;
}"""


def readout(page: Any) -> dict[str, str]:
    names, values = (page.locator(f"#readout {tag}").all_inner_texts() for tag in ("dt", "dd"))
    return dict(zip(names, values, strict=True))


def past_said(scores: dict[str, Any]) -> dict[str, str]:
    low, high, close = (scores[name] for name in ("lower_95", "upper_95", "realised_close"))
    missed = f"missed, closed {'above' if close > high else 'below'}"
    if not scores["covered_98"]:
        missed += ": a surprise, outside 98 % too"
    return {
        "Session": str(scores["target_date"]),
        "Close": f"{close:.2f}",
        "95 %": f"{low:.2f} to {high:.2f}",
        "Verdict": "held" if scores["covered_95"] else missed,
    }


def fan_said(forecast: dict[str, Any]) -> dict[str, str]:
    said = {"Session": str(forecast["target_date"]), "Median": f"{forecast['prediction']:.2f}"}
    return said | {
        name: f"{forecast[f'lower_{c}']:.2f} to {forecast[f'upper_{c}']:.2f}"
        for name, c in LIMITS.items()
    }


def expected_of(record: MemoryObjects, ticker: str, sessions: int = 60) -> list[dict[str, str]]:
    """Return what the chart must say of the last sessions and the next five, from the Parquet."""
    scored = {
        origin: score
        for (name, origin, horizon, model), score in scores_of(record).items()
        if (name, horizon, model) == (ticker, 1, "forecaster")
    }
    past = [past_said(score) for _, score in sorted(scored.items())][-sessions:]
    forecasts = rows_by_key(table(record, "forecasts"), "ticker", "origin_date", "horizon")
    return past + [fan_said(forecasts[ticker, SESSIONS[-1], h]) for h in range(1, 6)]


def test_every_etf_is_drawn_and_each_differently(opened: Open, html: bytes) -> None:
    page = opened(html)
    pictures = set()
    for ticker in FOUR:
        page.get_by_role("button", name=ticker, exact=True).click()
        assert page.locator("#h-chart").inner_text() == ticker
        assert page.evaluate(COLOURS) > 20
        pictures.add(page.evaluate(PICTURE))
    assert len(pictures) == len(FOUR)


@pytest.mark.parametrize("ticker", ["SPY", "IWM"])
def test_by_keys_every_number_is_that_of_the_parquet(
    opened: Open, html: bytes, record: MemoryObjects, ticker: str
) -> None:
    page = opened(html)
    page.get_by_role("button", name=ticker, exact=True).click()
    page.locator("#chart").focus()
    expected = expected_of(record, ticker)
    page.keyboard.press("Home")
    for k, said in enumerate(expected):
        assert said.items() <= readout(page).items(), k
        page.keyboard.press("ArrowRight")
    assert page.locator("#spoken").inner_text().startswith(f"Session {expected[-1]['Session']}")
    page.keyboard.press("PageUp")
    page.keyboard.press("ArrowLeft")
    assert readout(page)["Session"] == expected[-7]["Session"]
    page.keyboard.press("End")
    assert readout(page)["Session"] == expected[-1]["Session"]


def test_when_it_was_issued_and_in_which_mode_is_said(opened: Open, html: bytes) -> None:
    page = opened(html)
    page.locator("#chart").focus()
    page.keyboard.press("Home")
    said = readout(page)
    assert said["Issued"] == "2025-02-03 12:00 UTC"
    assert said["Mode"] == "backfill, made afterwards; in sample"
    page.keyboard.press("End")
    assert readout(page)["Issued"] == f"{SESSIONS[-1]} 22:00 UTC"
    assert readout(page)["Mode"] == "live"


def test_pointing_and_touching_say_the_same(
    opened: Open, html: bytes, record: MemoryObjects
) -> None:
    expected = {said["Session"]: said for said in expected_of(record, "DIA")}
    places = (0.02, 0.3, 0.61, 0.97)
    told = []
    for how in ({}, {"has_touch": True, "is_mobile": True}):
        page = opened(html, **how)
        page.locator("#chart").scroll_into_view_if_needed()
        box = page.locator("#chart .u-over").bounding_box()
        for place in places:
            at = box["x"] + place * box["width"], box["y"] + box["height"] / 2
            page.touchscreen.tap(*at) if how else page.mouse.move(*at)
            said = readout(page)
            assert expected[said["Session"]].items() <= said.items()
            told.append(said["Session"])
    assert told[:4] == told[4:]
    assert len(set(told)) == 4


def test_a_range_shows_as_many_sessions(opened: Open, html: bytes) -> None:
    page = opened(html)
    pictures = set()
    for sessions in (20, 60, 250):
        page.get_by_role("button", name=str(sessions), exact=True).click()
        page.locator("#chart").focus()
        page.keyboard.press("Home")
        first = readout(page)["Session"]
        assert first == str(SESSIONS[-sessions])
        pictures.add(page.evaluate(PICTURE))
    assert len(pictures) == 3


def test_a_surprise_has_a_mark_of_its_own(opened: Open) -> None:
    pictures, verdicts = [], []
    for surprise in (False, True):
        rows = past(60, realised_close=420.0, surprise=surprise)
        page = opened(page_of(history={"SPY": rows}))
        pictures.append(page.evaluate(PICTURE))
        verdicts.append(readout(page)["Verdict"])
    assert pictures[0] != pictures[1]
    assert verdicts == [
        "missed, closed above",
        "missed, closed above: a surprise, outside 98 % too",
    ]


def test_the_chart_stays_where_it_is_under_a_finger(opened: Open, html: bytes) -> None:
    page = opened(html, viewport={"width": 360, "height": 800})
    page.get_by_role("button", name="SPY", exact=True).click()
    page.locator("#chart").focus()
    page.keyboard.press("Home")
    tops = set()
    for _ in range(65):
        tops.add(page.evaluate("document.querySelector('#chart').offsetTop"))
        page.keyboard.press("ArrowRight")
    assert len(tops) == 1


def test_before_a_first_verdict_the_chart_has_closes_and_the_fan(
    opened: Open, model: Model
) -> None:
    store = backfilled(model, SESSIONS[-1], SESSIONS[-1])
    page = opened(store.objects["index.html"])
    assert readout(page)["95 %"] == "no forecast of it on record"
    assert page.evaluate(COLOURS) > 20
    assert "No forecast has been realised yet" in page.locator("main").inner_text()


LEVELS = [
    *(f"lower_{c}" for c in (98, 95, 90, 80, 50)), "prediction",
    *(f"upper_{c}" for c in (50, 80, 90, 95, 98)),
]  # fmt: skip


def newest_of(record: MemoryObjects) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the newest forecasts in the Parquet by ticker and target."""
    rows = rows_by_key(table(record, "forecasts"), "ticker", "target_date", "origin_date")
    return {(key[0], str(key[1])): row for key, row in rows.items() if key[2] == SESSIONS[-1]}


def test_the_table_has_all_levels(opened: Open, html: bytes, record: MemoryObjects) -> None:
    lines = opened(html).locator("#levels tbody tr").all()
    shown = [line.locator("th, td").all_inner_texts() for line in lines]
    expected = [
        [target, *(f"{row[name]:.2f}" for name in LEVELS), f"{100 * row['sigma']:.2f} %"]
        for (ticker, target), row in sorted(newest_of(record).items())
        if ticker == "DIA"
    ]
    assert shown == expected


def test_the_downloads_are_what_the_parquet_says(
    opened: Open, html: bytes, record: MemoryObjects
) -> None:
    page, newest = opened(html, accept_downloads=True), newest_of(record)
    issued = download(page, "#csv-levels")
    assert {(row["ticker"], row["target_date"]) for row in issued} == newest.keys()
    for row in issued:
        stored = newest[row["ticker"], row["target_date"]]
        numbers = ("last_close", *LEVELS, "sigma")
        assert [float(row[name]) for name in numbers] == [stored[name] for name in numbers]
    past = {(row["ticker"], row["session"]): row for row in download(page, "#csv-past")}
    assert len(past) == len(FOUR) * 252
    for (ticker, _, horizon, model), score in scores_of(record).items():
        if (horizon, model) == (1, "forecaster"):
            row = past[ticker, str(score["target_date"])]
            said = [float(row[name]) for name in ("close", "lower_95", "upper_95")]
            assert said == [score[n] for n in ("realised_close", "lower_95", "upper_95")]
            assert row["surprise"] == str(not score["covered_98"]).lower()


def download(page: Any, button: str) -> list[dict[str, str]]:
    with page.expect_download() as saved:
        page.locator(button).click()
    text = Path(saved.value.path()).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def test_a_finger_that_moves_reads_each_session_it_passes(
    opened: Open, html: bytes, record: MemoryObjects
) -> None:
    page = opened(html, has_touch=True, viewport={"width": 390, "height": 844})
    page.locator("#chart").scroll_into_view_if_needed()
    box = page.locator("#chart .u-over").bounding_box()
    finger = page.context.new_cdp_session(page)
    expected = [said["Session"] for said in expected_of(record, "DIA")]
    width = len(expected) + 0.1  # of the axis, in sessions
    for kind, k in (("touchStart", 10), ("touchMove", 25), ("touchMove", 26)):
        at = {"x": box["x"] + box["width"] * (k + 0.7) / width, "y": box["y"] + 80}
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [at]})
        page.wait_for_function(FIRST_SAID, arg=expected[k])
    assert page.evaluate(FIRST_SAID, expected[26])
    finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
