"""A part says which of its tickers' scenarios know nothing of the others', wherever it is read."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from pipeline.forecasting.model import Model
from pipeline.jobs.remake_check import Sample
from pipeline.jobs.replay import replay
from pipeline.jobs.status import read_status
from pipeline.jobs.verify import Scope, verify
from pipeline.record import drawn
from pipeline.record.manifest import read_manifests
from pipeline.record.notes import NoteCode
from pipeline.scenarios.common_history import MIN_ORIGINS
from pipeline.scenarios.template import pack
from pipeline.serving.answer_risk import answer_risk
from pipeline.serving.cached_views import CachedViews
from pipeline.serving.questions import RiskRequest
from pipeline.views.scenario_view import parse_scenarios
from tests.support.bundles import with_template
from tests.support.fakes import MemoryObjects
from tests.support.records import (
    CALENDAR,
    SESSIONS,
    TABLES,
    backfilled,
    evening,
    market,
    run_day,
    run_days,
)
from tests.support.templates import template

SPAN = SESSIONS[-2:]
LAST = SPAN[-1]
NEWER = ("AAPL", "SPY", "XYZ")


def named(store: MemoryObjects) -> list[tuple[str, ...]]:
    """Return whom each part of the last session names."""
    return [
        tuple(t for note in run.notes if note.code is NoteCode.INDEPENDENT for t in note.tickers)
        for run in read_manifests(store, LAST)
    ]


def run_on(model: Model, *parts: tuple[str, ...], of: tuple[str, ...] = NEWER) -> MemoryObjects:
    """Return a store whose last session has a part for these tickers, then for more of them."""
    store, read = MemoryObjects(), set[str]()
    for tickers in parts:
        read |= set(tickers)
        run_day(model, store, LAST, market(sorted(read)), tickers=of)
    return store


@pytest.fixture(scope="module")
def store(model: Model) -> MemoryObjects:
    return run_days(model, SPAN, market(NEWER), tickers=NEWER)


def test_tickers_without_a_history_are_named_wherever_notes_are(store: MemoryObjects) -> None:
    assert named(store) == [("AAPL", "XYZ")]
    (run,) = read_manifests(store, LAST)
    (note,) = (note for note in run.notes if note.code is NoteCode.INDEPENDENT)
    assert note.text == (
        "AAPL, XYZ: scenarios are drawn independently of those of tickers with which fewer than "
        "60 outcomes are known in common"
    )
    views = CachedViews(store.read, lambda: 0.0)
    assert note in read_status(store, CALENDAR, evening(LAST)).notes
    assert note in views.latest().notes
    assert f"Note: {note.text}" in (views.dashboard() or b"").decode()


@pytest.mark.parametrize(
    ("book", "independent"),
    [({"XYZ": 1.0, "SPY": 1.0}, ("XYZ",)), ({"SPY": 1.0}, ()), (dict.fromkeys(NEWER, 2.0), None)],
)
def test_the_risk_of_a_book_says_so(
    store: MemoryObjects, book: dict[str, float], independent: tuple[str, ...] | None
) -> None:
    view = parse_scenarios(store.objects["scenarios.bin"])
    answer = answer_risk(view, RiskRequest(book))
    assert answer.independent == (("AAPL", "XYZ") if independent is None else independent)


def test_it_is_made_again_alike(store: MemoryObjects) -> None:
    assert all(each.equal for each in replay(store, TABLES, CALENDAR, LAST))
    assert verify(store, TABLES, CALENDAR, Scope(Sample(deep=True))).findings == ()


def test_a_backfill_says_so_too(model: Model) -> None:
    bare = with_template(model)
    assert named(backfilled(bare, *SPAN)) == named(run_days(bare, SPAN)) == [("QQQ", "SPY")]


def test_a_note_that_is_taken_away_is_found(store: MemoryObjects) -> None:
    key = f"runs/{LAST}.00.json"
    document = json.loads(store.objects[key])
    document["notes"] = [note for note in document["notes"] if note["code"] != "independent"]
    bent = MemoryObjects({**store.objects, key: json.dumps(document).encode()})
    assert not all(each.equal for each in replay(bent, TABLES, CALENDAR, LAST))


def test_where_all_have_a_history_nothing_is_said(model: Model) -> None:
    known = run_days(model, SPAN)
    assert named(known) == [()]
    assert b"independent" not in known.objects["scenarios.bin"]


@pytest.mark.parametrize(
    ("of", "parts", "expected"),
    [
        (("XYZ",), [("XYZ",)], [()]),
        (NEWER, [("SPY",), ("XYZ",)], [(), ("XYZ",)]),
        (NEWER, [("XYZ",), ("SPY",)], [("XYZ",), ()]),
        (NEWER, [("SPY",), ("AAPL",), ("XYZ",)], [(), ("AAPL",), ("XYZ",)]),
        (("AAPL", "XYZ"), [("AAPL",), ("XYZ",)], [("AAPL",), ("XYZ",)]),
    ],
    ids=["alone", "later", "first", "one by one", "nobody with a history"],
)
def test_the_others_are_those_of_the_session_in_whichever_part(
    model: Model, of: tuple[str, ...], parts: list[tuple[str, ...]], expected: list
) -> None:
    store = run_on(model, *parts, of=of)
    assert named(store) == expected
    together = {ticker for names in expected for ticker in names}
    assert set(parse_scenarios(store.objects["scenarios.bin"]).independent) == together
    assert all(each.equal for each in replay(store, TABLES, CALENDAR, LAST))


def test_a_part_of_its_own_tickers_alone_knows_the_session_s_others(model: Model) -> None:
    store = MemoryObjects()
    for tickers in (("SPY", "QQQ"), ("XYZ",)):
        run_day(model, store, LAST, market(tickers), tickers=tickers)
    assert named(store) == [(), ("XYZ",)]


@pytest.mark.parametrize(("known", "expected"), [(MIN_ORIGINS, ()), (MIN_ORIGINS - 1, ("XYZ",))])
def test_sixty_outcomes_in_common_couple(model: Model, known: int, expected: tuple) -> None:
    whole = template(300, ("SPY", "XYZ"))
    whole.levels[:-known, 1] = np.nan
    shift = np.datetime64(SESSIONS[-40], "D") - whole.origin_date[-1]
    kept = pack(replace(whole, origin_date=whole.origin_date + shift))
    taught = with_template(model, kept)
    assert named(run_on(taught, ("SPY", "XYZ"), of=("SPY", "XYZ"))) == [expected]


def test_without_scenarios_nothing_is_said(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawn, "MOST_TICKERS", 1)
    assert named(run_on(model, NEWER)) == [()]
