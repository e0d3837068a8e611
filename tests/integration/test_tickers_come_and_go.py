"""Tickers that are added, left out, brought back and renamed in a store that is running."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pytest

from handlers.local.invoke import LocalContext
from pipeline.errors import RequestError
from pipeline.forecasting.model import Model
from pipeline.jobs.replay import replay
from pipeline.jobs.verify import verify
from pipeline.record.keys import calibration_key
from pipeline.record.manifest import Mode, RunManifest, read_manifests
from pipeline.record.notes import NoteCode
from pipeline.record.state import State
from pipeline.record.vintage import read_vintage
from tests.support.commands import BEFORE, SESSION, ColdStart, Forecaster, assert_refused
from tests.support.fakes import MemoryObjects
from tests.support.records import (
    CALENDAR,
    SESSIONS,
    TABLES,
    market,
    run_day,
    states,
    table,
)
from tests.support.two_models import renamed

SPAN = SESSIONS[-4:]
FOREIGN = date(2024, 12, 30)


@pytest.fixture(scope="module")
def broad(model: Model) -> Model:
    return renamed(model, FOREIGN, "AAPL")


def run_on(
    store: MemoryObjects, model: Model, broad: Model, day: date, *tickers: str, **job: object
) -> RunManifest:
    run_day(model, store, day, market(tickers), tickers=tickers, broad=broad, **job)
    (manifest,) = read_manifests(store, day)
    assert manifest.published == set(tickers)
    return manifest


def with_former(model: Model, broad: Model, old: str, new: str) -> MemoryObjects:
    """A record of two sessions of SPY and `old`, and two of SPY and `new`, which `old` is now."""
    store = MemoryObjects()
    for day in SPAN[:2]:
        run_on(store, model, broad, day, "SPY", old)
    for day in SPAN[2:]:
        run_on(store, model, broad, day, "SPY", new, renamed={new: old})
    return store


@pytest.fixture(scope="module")
def record(model: Model, broad: Model) -> Mapping[str, bytes]:
    return with_former(model, broad, "FB", "META").objects


@pytest.fixture
def store(record: Mapping[str, bytes]) -> MemoryObjects:
    return MemoryObjects(record)


def scored(state: State, ticker: str) -> int:
    track = state.tracks[Mode.LIVE].tickers
    return track[ticker].scored if ticker in track else 0


def test_a_new_name_starts_with_the_gains_and_the_model_of_the_old_one(
    store: MemoryObjects, broad: Model
) -> None:
    first, before, after, _ = states(store)
    assert after.log_gains["META"] == after.log_gains["FB"] == before.log_gains["FB"]
    assert after.version_of("META") == broad.bundle.version
    assert first.log_gains["FB"] != before.log_gains["FB"]  # it had learned something


@pytest.mark.parametrize(("old", "new"), [("QQQ", "DIA"), ("SPY", "GLD"), ("GLD", "DIA")])
def test_a_name_changes_between_models_too(model: Model, broad: Model, old: str, new: str) -> None:
    """What another model learned is no start: then the new name begins as any does."""
    store, keep = MemoryObjects(), "AAPL"
    for day in SPAN[:2]:
        run_on(store, model, broad, day, keep, old)
    run_on(store, model, broad, SPAN[2], keep, new, renamed={new: old})
    state = states(store)[-1]
    alike = state.version_of(new) == state.version_of(old)
    assert (state.log_gains[new] == state.log_gains[old]) == alike
    assert verify(store, TABLES, CALENDAR).findings == ()


def test_the_record_says_it_once_and_both_names_have_their_own_rows(store: MemoryObjects) -> None:
    noted = [
        [note for note in read_manifests(store, day)[0].notes if note.code is NoteCode.RENAMED]
        for day in SPAN
    ]
    assert [len(notes) for notes in noted] == [0, 0, 1, 0]
    assert noted[2][0].text.startswith("META: was FB, with whose gains it starts; ")
    newest = states(store)[-1]
    assert (scored(newest, "FB"), scored(newest, "META")) == (1, 1)
    rows = table(store, "forecasts")
    days = {t: set(rows["origin_date"][rows["ticker"] == t].tolist()) for t in ("FB", "META")}
    assert days == {"FB": set(SPAN[:2]), "META": set(SPAN[2:])}


def test_a_session_that_lacks_the_new_name_is_completed_with_it(model: Model, broad: Model) -> None:
    """As where the deployment has run already, and a person renames by hand."""
    store = MemoryObjects()
    run_on(store, model, broad, SPAN[0], "SPY", "FB")
    run_on(store, model, broad, SPAN[1], "SPY")
    tickers = ("SPY", "META")
    job = {"tickers": tickers, "broad": broad, "renamed": {"META": "FB"}}
    run_day(model, store, SPAN[1], market(tickers), **job)
    assert [run.published for run in read_manifests(store, SPAN[1])] == [{"SPY"}, {"META"}]
    state = states(store)[-1]
    assert state.log_gains["META"] == state.log_gains["FB"]
    assert verify(store, TABLES, CALENDAR).findings == ()


def test_its_first_vintage_reaches_no_further_back(store: MemoryObjects) -> None:
    vintage = read_vintage(store, TABLES, read_manifests(store, SPAN[2])[0])
    assert len(vintage.bars["META"]) == len(vintage.bars["SPY"])


def test_a_record_with_a_new_name_is_replayed_and_verified(store: MemoryObjects) -> None:
    for day in SPAN:
        assert all(each.equal for each in replay(store, TABLES, CALENDAR, day))
    assert verify(store, TABLES, CALENDAR).findings == ()


def test_a_former_name_that_nobody_knows_is_refused(model: Model, broad: Model) -> None:
    store = MemoryObjects()
    for day in SPAN[:2]:
        with pytest.raises(RequestError, match="F=META: expected F on the record, found neither"):
            run_on(store, model, broad, day, "SPY", "META", renamed={"META": "F"})
        assert read_manifests(store, day) == []
        run_on(store, model, broad, day, "SPY")


def test_a_ticker_that_is_left_out_and_comes_back_goes_on_where_it_was(
    model: Model, broad: Model
) -> None:
    """What was issued before is scored when its closes are read again, and gains learn from it."""
    store, always = MemoryObjects(), MemoryObjects()
    for day, tickers in zip(SPAN, (("GLD",), (), (), ("GLD",)), strict=True):
        run_on(store, model, broad, day, "SPY", *tickers)
        run_on(always, model, broad, day, "SPY", "GLD")
    first, away, _, back = states(store)
    assert away.log_gains["GLD"] == first.log_gains["GLD"]
    assert back.log_gains["GLD"] != first.log_gains["GLD"]
    assert back.version_of("GLD") == broad.bundle.version
    rows = table(store, "scores")
    of_gold = (rows["ticker"] == "GLD") & (rows["model"] == "forecaster")
    assert set(rows["horizon"][of_gold].tolist()) == {1, 2, 3}
    assert set(rows["origin_date"][of_gold].tolist()) == {SPAN[0]}
    # Nobody else notices.
    assert back.log_gains["SPY"] == states(always)[-1].log_gains["SPY"]
    assert verify(store, TABLES, CALENDAR).findings == ()


def test_a_ticker_that_is_added_leaves_the_others_as_they_were(model: Model, broad: Model) -> None:
    store, alone = MemoryObjects(), MemoryObjects()
    for day, tickers in zip(SPAN, ((), (), ("GLD",), ("GLD",)), strict=True):
        run_on(store, model, broad, day, "SPY", *tickers)
        run_on(alone, model, broad, day, "SPY")
    assert states(store)[-1].log_gains["SPY"] == states(alone)[-1].log_gains["SPY"]
    key = calibration_key(SPAN[1], 0)
    assert store.objects[key] == alone.objects[key]
    assert scored(states(store)[-1], "GLD") == 1
    assert verify(store, TABLES, CALENDAR).findings == ()


RUN = ("run", "--bars", "bars", "--as-of")


def test_a_ticker_is_renamed_on_the_command_line(forecaster: Forecaster, bars: Path) -> None:
    assert forecaster(*RUN, BEFORE, "--tickers", "SPY,QQQ").code == 0
    (bars / "QQQ.csv").rename(bars / "META.csv")
    named = ("--tickers", "SPY,META", "--renamed", "qqq=meta")
    for _ in range(2):
        answer = forecaster(*RUN, SESSION, *named)
        assert answer.code == 0
        assert "META: was QQQ, with whose gains it starts" in " ".join(answer.out.split())


def test_a_ticker_is_renamed_by_the_function_whose_setting_may_stay(
    forecaster: Forecaster, bars: Path, cold_start: ColdStart
) -> None:
    assert forecaster(*RUN, BEFORE, "--tickers", "SPY,QQQ").code == 0
    (bars / "QQQ.csv").rename(bars / "META.csv")
    environ = {"FORECASTER_TICKERS": "SPY,META", "FORECASTER_RENAMED": "QQQ=META"}
    daily = cold_start({**environ, "FORECASTER_STORE": "store", "FORECASTER_BARS": "bars"})
    event = {"time": f"{SESSION}T23:00:00Z"}
    answers = [daily.handler(event, LocalContext()) for _ in range(2)]
    assert [answer["published"] for answer in answers] == [["META", "SPY"], []]
    assert [answer["withheld"] for answer in answers] == [{}, {}]
    notes = " ".join(forecaster("show").out.split())
    assert "META: was QQQ, with whose gains it starts" in notes


@pytest.mark.parametrize(
    ("said", "refusal"),
    [
        ("FB", "expected names like FB=META, got 'FB'"),
        ("A=B=C", "expected names like FB=META, got 'A=B=C'"),
        ("=SPY", "expected names like FB=META"),
        ("FB=META", "expected META among --tickers and FB not"),
        ("QQQ=SPY", "expected SPY among --tickers and QQQ not"),
        ("A=SPY,B=SPY", "expected each name once"),
        ("SPY=SPY", "expected another name than the old one, got 'SPY=SPY'"),
        ("A=SPY,A=QQQ", "expected each name once"),
    ],
)
def test_names_that_mean_nothing_are_refused_before_anything_is_read(
    forecaster: Forecaster, said: str, refusal: str
) -> None:
    answer = forecaster("run", "--bars", "none", "--tickers", "SPY,QQQ", "--renamed", said)
    assert_refused(answer, 2, refusal)


def test_who_serves_a_ticker_and_that_nothing_is_proven_of_it_is_said(
    forecaster: Forecaster, bars: Path
) -> None:
    (bars / "QQQ.csv").rename(bars / "META.csv")
    for day in (BEFORE, SESSION):
        run = forecaster(*RUN, day, "--tickers", "SPY,META")
    others = forecaster("status", "--json").document["record"]["others"]
    assert list(others) == ["META"]
    unproven = "Note: META: not among the tickers that the model was proven on"
    whole, slices = forecaster("status"), {t: forecaster("status", t) for t in ("META", "SPY")}
    assert f"META by model {others['META']}" in " ".join(whole.out.split())
    shown = forecaster("show")
    for answer, so in ((whole, 1), (shown, 1), (slices["META"], 1), (slices["SPY"], 0)):
        assert answer.code == 0
        assert " ".join(answer.out.split()).count(unproven) == so
    # The mark is in each row of its tables, and its meaning once below them.
    marked = ((run, 5), (shown, 5), (whole, 5), (slices["META"], 3), (slices["SPY"], 0))
    for answer, rows in marked:
        lines = [line.strip() for line in answer.out.splitlines()]
        assert sum("META * " in line for line in lines) == rows
        assert not any(line.startswith("META  ") or "SPY *" in line for line in lines)
        legend = "* not among the tickers that the model was proven on"
        assert lines.count(legend) == min(rows, 1)
    page = Path("store/index.html").read_text("utf-8")
    assert unproven in page
    assert others["META"] in page
