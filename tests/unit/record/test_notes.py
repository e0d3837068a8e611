"""What is wrong with bars that withholds nobody is noted, and shown wherever forecasts are."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import msgspec
import numpy as np
import pytest

from pipeline.bars import PRICES, VIX, RawBars
from pipeline.forecasting.model import Model
from pipeline.jobs.status import read_status
from pipeline.record.manifest import read_manifests
from pipeline.record.notes import Note, NoteCode, find_notes, note_filled, select_notes
from pipeline.serving.cached_views import CachedViews
from pipeline.serving.published import answer_from_latest
from pipeline.views.session import read_session
from tests.support.builders import raw_bars
from tests.support.fakes import MemoryObjects
from tests.support.records import (
    CALENDAR,
    DAYS,
    SESSIONS,
    TABLES,
    evening,
    market,
    run_day,
    scaled,
    with_column,
    without,
)

LAST = SESSIONS[-1]
INDEX = scaled(raw_bars(VIX, len(DAYS), session=DAYS), 0.05)


def codes(vix: RawBars | None, covariates: tuple[str, ...] = (VIX,)) -> list[tuple[str, str]]:
    bars = market() | ({VIX: vix} if vix is not None else {})
    notes = find_notes(bars, ("SPY", "QQQ"), covariates, SESSIONS)
    return [(note.code, note.message) for note in notes]


def ending(behind: int) -> RawBars:
    return INDEX.rows(slice(0, len(DAYS) - behind))


def test_a_vix_that_is_there_is_no_note() -> None:
    assert codes(INDEX) == []


def test_a_model_that_knows_no_vix_lacks_none() -> None:
    assert codes(None, covariates=()) == []


@pytest.mark.parametrize("vix", [None, INDEX.rows(slice(0, 0))], ids=["failed", "empty"])
def test_a_missing_vix_is_noted(vix: RawBars | None) -> None:
    assert [code for code, _ in codes(vix)] == [NoteCode.VIX_MISSING]


@pytest.mark.parametrize("behind", [1, 3, 4, 60])
def test_a_vix_that_is_behind_is_noted_with_its_newest_session(behind: int) -> None:
    ((code, message),) = codes(ending(behind))
    assert code == NoteCode.VIX_STALE
    assert f"is of {SESSIONS[-1 - behind]}, {behind} sessions behind" in message


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0, -1.0], ids=str)
@pytest.mark.parametrize("behind", [0, 2])
def test_a_vix_that_is_no_number_is_noted(value: float, behind: int) -> None:
    vix = ending(behind)
    odd = with_column(vix, "close", len(vix) - 1, value)
    assert [code for code, _ in codes(odd)] == [NoteCode.VIX_NOT_A_NUMBER]
    assert [code for code, _ in codes(replace(vix, close=np.full(len(vix), value)))] == [
        NoteCode.VIX_NOT_A_NUMBER
    ]


def test_a_vix_out_of_order_is_read_by_its_sessions() -> None:
    assert codes(INDEX.rows(np.arange(len(DAYS))[::-1])) == []


def in_cents(raw: RawBars) -> RawBars:
    return replace(raw, **{name: getattr(raw, name).round(2) for name in PRICES})


def adjusted(raw: RawBars, until: int = 400) -> RawBars:
    """Bars of which a dividend of .37 % was taken off all before it."""
    return scaled(in_cents(raw), 0.9963, slice(0, until))


def test_adjusted_prices_are_noted_by_ticker() -> None:
    bars = {"SPY": in_cents(market()["SPY"]), "QQQ": adjusted(market()["QQQ"])}
    (note,) = find_notes(bars, ("SPY", "QQQ"), (), SESSIONS)
    assert (note.code, note.tickers) == (NoteCode.ADJUSTED_PRICES, ("QQQ",))
    assert note.text.startswith("QQQ: older prices are not in cents")


def test_a_note_is_about_its_tickers_or_about_all() -> None:
    one, all_ = Note(NoteCode.ADJUSTED_PRICES, "a", ("SPY",)), Note(NoteCode.VIX_MISSING, "b")
    assert select_notes((one, all_), "SPY") == (one, all_)
    assert select_notes((one, all_), "QQQ") == (all_,)
    assert (one.text, all_.text) == ("SPY: a", "b")


def test_of_very_many_tickers_a_note_names_the_first() -> None:
    many = tuple(f"T{i}" for i in range(1_300))
    text = Note(NoteCode.UNPROVEN, "is new", many).text
    assert text == f"{', '.join(many[:20])} and 1,280 more: is new"
    assert Note(NoteCode.UNPROVEN, "is new", many[:20]).text.startswith(", ".join(many[:20]) + ":")


def test_notes_are_in_the_manifest_the_views_the_answers_and_the_status(model: Model) -> None:
    store = MemoryObjects()
    bars = {"SPY": market()["SPY"], "QQQ": adjusted(market()["QQQ"])}
    run_day(model, store, LAST, bars)
    (part,) = read_manifests(store, LAST)
    assert [note.code for note in part.notes] == [NoteCode.VIX_MISSING, NoteCode.ADJUSTED_PRICES]
    texts = [note.text for note in part.notes]
    assert read_session(store, TABLES, LAST).notes == texts
    status = read_status(store, CALENDAR, evening(LAST))
    assert status.notes == part.notes
    views = CachedViews(store.read, lambda: 0.0)
    assert views.latest().notes == part.notes
    assert answer_from_latest(views.latest(), "QQQ").notes == part.notes
    assert answer_from_latest(views.latest(), "SPY").notes == part.notes[:1]
    page = (views.dashboard() or b"").decode()
    assert all(f"Note: {text}" in page for text in texts)


def test_without_anything_to_note_nothing_is_said(model: Model) -> None:
    store = MemoryObjects()
    run_day(model, store, LAST, market() | {VIX: INDEX})
    assert read_manifests(store, LAST)[0].notes == ()
    assert "notes" not in json.loads(store.objects[f"runs/{LAST}.00.json"])
    latest = CachedViews(store.read, lambda: 0.0).latest()
    assert answer_from_latest(latest, "SPY").notes is msgspec.UNSET
    assert b"Note:" not in store.objects["index.html"]


def test_a_vix_that_lost_a_bar_of_the_past_has_it_back(model: Model) -> None:
    store = MemoryObjects()
    run_day(model, store, SESSIONS[-2], market() | {VIX: INDEX})
    lost: date = SESSIONS[-30]
    run_day(model, store, LAST, market() | {VIX: without(INDEX, lost)})
    (note,) = read_manifests(store, LAST)[0].notes
    assert (note.code, note.tickers) == (NoteCode.FILLED_BARS, (VIX,))
    assert note.message.endswith(f": {lost}")


def test_sessions_are_named_up_to_a_week_and_alike_ones_together() -> None:
    week, more = SESSIONS[:5], SESSIONS[:7]
    first, second = note_filled({"SPY": week, "QQQ": more, "DIA": week})
    assert (first.tickers, second.tickers) == (("SPY", "DIA"), ("QQQ",))
    assert first.message.endswith(f": {', '.join(map(str, week))}")
    assert second.message.endswith(f"{week[-1]} and 2 more")


def test_corrected_scores_are_noted(model: Model) -> None:
    store = MemoryObjects()
    printed = market(SPY=scaled(market()["SPY"], 1.04, slice(418, 419)))
    for session, bars in zip(SESSIONS[-3:], (market(), printed, market()), strict=True):
        run_day(model, store, session, bars | {VIX: INDEX})
    (note,) = read_manifests(store, LAST)[0].notes
    assert (note.code, note.tickers) == (NoteCode.CORRECTED_SCORES, ("SPY",))
    assert note.message.endswith(f": {SESSIONS[-2]}")


def flat(raw: RawBars, *back: int) -> RawBars:
    """Bars with one price on the sessions that lie so far back."""
    rows = [len(raw) - 1 - n for n in back]
    prices = {name: getattr(raw, name).copy() for name in PRICES}
    for values in prices.values():
        values[rows] = raw.close[rows]
    return replace(raw, **prices)


@pytest.mark.parametrize(
    ("back", "so"),
    [
        (range(5), True),
        (range(17, 22), True),
        ((0, 5, 10, 15, 20), True),
        (range(420), True),
        (range(4), False),
        (range(18, 100), False),
    ],
    ids=["newest", "in a month", "scattered", "all", "four", "before that"],
)
def test_one_price_a_day_is_noted(model: Model, back: range, so: bool) -> None:
    summary = run_day(model, MemoryObjects(), LAST, market(QQQ=flat(market()["QQQ"], *back)))
    assert not summary.withheld
    notes = [note.tickers for note in summary.manifests[0].notes if note.code == NoteCode.NO_RANGES]
    assert notes == ([("QQQ",)] if so else [])
