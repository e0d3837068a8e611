"""The daily run on fakes: no I/O, no clock."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from pipeline.adapters.parquet.parquet_tables import ParquetTables
from pipeline.bars import RawBars
from pipeline.errors import (
    ConfigError,
    IncompleteRun,
    Reason,
    RequestError,
    SourceUnavailable,
    StoreError,
)
from pipeline.forecasting.model import Model
from pipeline.grid import round_digits
from pipeline.jobs.daily_job import DailyJob, with_mode
from pipeline.jobs.daily_summary import Outcome
from pipeline.jobs.verify import verify
from pipeline.ports import Reading
from pipeline.record.keys import VIEWS
from tests.support.builders import raw_bars, weekdays
from tests.support.fakes import Crash, FixedCalendar, MemoryObjects, ScriptedSource
from tests.support.records import run

TICKERS = ("SPY", "QQQ", "DIA", "IWM")
THURSDAY, FRIDAY = date(2024, 12, 26), date(2024, 12, 27)
EVENING = datetime(2024, 12, 27, 23, 30, tzinfo=UTC)
FORECASTS = "forecasts/month=2024-12/2024-12-27.00.parquet"
CALENDAR = FixedCalendar(weekdays(420, "2025-01-31").tolist())


def job(model: Model, source: ScriptedSource, store: MemoryObjects | None = None) -> DailyJob:
    return DailyJob(TICKERS, source, CALENDAR, store or MemoryObjects(), ParquetTables(), model)


def market(**changed: RawBars) -> ScriptedSource:
    return ScriptedSource.of(*(changed.get(ticker, raw_bars(ticker)) for ticker in TICKERS))


def without_rows(raw: RawBars, *rows: int) -> RawBars:
    kept = np.ones(len(raw), bool)
    kept[list(rows)] = False
    return raw.rows(kept)


def last_close(raw: RawBars, value: float) -> RawBars:
    close = raw.close.copy()
    close[-1] = value
    return dataclasses.replace(raw, close=close)


def split_unadjusted(raw: RawBars, at: int) -> RawBars:
    names = ("open", "high", "low", "close")
    before = {n: np.r_[getattr(raw, n)[:at] * 2, getattr(raw, n)[at:]] for n in names}
    return dataclasses.replace(raw, **before)


def on_sunday(raw: RawBars) -> RawBars:
    session = raw.session.copy()
    session[session == np.datetime64("2024-12-16")] -= 1
    return dataclasses.replace(raw, session=session)


def forecasts(store: MemoryObjects, key: str = FORECASTS) -> dict[str, np.ndarray]:
    return ParquetTables().decode("forecasts", store.objects[key])[0]


def test_every_ticker_gets_five_rows_of_the_next_sessions(model: Model) -> None:
    store = MemoryObjects()
    summary = run(job(model, market(), store), EVENING)
    assert summary.outcome is Outcome.PUBLISHED
    assert summary.published == tuple(sorted(TICKERS))
    rows = forecasts(store)
    assert rows["ticker"].tolist() == [ticker for ticker in TICKERS for _ in range(5)]
    assert rows["horizon"].tolist() == [1, 2, 3, 4, 5] * 4
    assert rows["target_date"][:5].tolist() == CALENDAR.following(FRIDAY, 5)
    assert set(rows["status"]) == {"ok"}
    assert set(rows["origin_date"].tolist()) == {FRIDAY}
    assert rows["last_close"][0] == round_digits(raw_bars("SPY").close[-1])


def test_objects_are_written_in_order_and_the_manifest_commits(model: Model) -> None:
    store = MemoryObjects()
    run(job(model, market(), store), EVENING)
    bundle = f"bundles/{model.bundle.version}"
    assert [re.sub(r"manifest\.\w+\.", "manifest.", key) for key in store.written] == [
        "bars/month=2024-12/2024-12-27.00.parquet",
        f"{bundle}/manifest.json",
        f"{bundle}/model.onnx",
        "store.json",
        "claims/first.json",
        "calibration/2024-12-27.00.json",
        FORECASTS,
        "baselines/month=2024-12/2024-12-27.00.parquet",
        "templates/month=2024-12/2024-12-27.00.parquet",
        "scenarios/month=2024-12/2024-12-27.00.parquet",
        "runs/2024-12-27.00.json",
        "latest.json",
        "track_record.json",
        "history.json",
        "scenarios.bin",
        "index.html",
    ]


def test_the_same_event_again_reads_nothing_and_writes_nothing(model: Model) -> None:
    store, source = MemoryObjects(), market()
    run(job(model, source, store), EVENING)
    before = dict(store.objects)
    summary = run(job(model, source, store), EVENING)
    assert summary.outcome is Outcome.NOTHING_TO_DO
    assert summary.manifests[0].published == set(TICKERS)
    assert len(source.calls) == 1
    assert store.objects == before


def test_another_source_is_refused_even_where_nothing_is_to_do(model: Model) -> None:
    store = MemoryObjects()
    run(job(model, market(), store), EVENING)
    other = ScriptedSource([], label="another")
    with pytest.raises(StoreError, match="got another; another source needs another store"):
        run(job(model, other, store), EVENING)


def test_a_weekend_belongs_to_friday_and_finds_nothing_to_do(model: Model) -> None:
    store = MemoryObjects()
    run(job(model, market(), store), EVENING)
    summary = run(job(model, market(), store), EVENING + timedelta(days=2))
    assert (summary.outcome, summary.session) == (Outcome.NOTHING_TO_DO, FRIDAY)


def test_before_the_close_the_session_before_is_the_origin(model: Model) -> None:
    store = MemoryObjects()
    run(job(model, market(), store), datetime(2024, 12, 27, 15, tzinfo=UTC))
    assert list(store.keys("forecasts/")) == ["forecasts/month=2024-12/2024-12-26.00.parquet"]


@pytest.mark.parametrize(
    ("at", "session"),
    [
        (datetime(2024, 12, 27, 21, 29, 59, tzinfo=UTC), THURSDAY),
        (datetime(2024, 12, 27, 21, 30, tzinfo=UTC), FRIDAY),
    ],
    ids=["a second before", "at the close"],
)
def test_a_session_is_the_origin_from_its_close_on(
    model: Model, at: datetime, session: date
) -> None:
    assert run(job(model, market()), at).session == session


@pytest.mark.parametrize(
    ("now", "mode"),
    [
        (datetime(2024, 12, 27, 21, 30, tzinfo=UTC), "live"),
        (datetime(2024, 12, 29, 12, tzinfo=UTC), "live"),
        (datetime(2024, 12, 30, 21, 29, 59, tzinfo=UTC), "live"),
        (datetime(2024, 12, 30, 21, 30, tzinfo=UTC), "as_of"),
    ],
    ids=["at the close", "at the weekend", "a second before the next", "at the next close"],
)
def test_a_session_is_live_until_the_next_has_closed(
    model: Model, now: datetime, mode: str
) -> None:
    asked = with_mode(job(model, market()), EVENING, now)
    assert asked.mode == mode


def test_a_session_still_to_come_is_refused(model: Model) -> None:
    a_second_before = datetime(2024, 12, 27, 21, 29, 59, tzinfo=UTC)
    with pytest.raises(RequestError, match="expected a time that has come"):
        with_mode(job(model, market()), EVENING, a_second_before)


REFUSED: dict[Reason, Callable[[RawBars], RawBars]] = {
    Reason.LAST_BAR_NAN: lambda raw: last_close(raw, np.nan),
    Reason.STALE: lambda raw: without_rows(raw, -1),
    Reason.MISSING_SESSION: lambda raw: without_rows(raw, -9),
    Reason.PRICE_JUMP: lambda raw: split_unadjusted(raw, -9),
    Reason.NOT_ENOUGH_HISTORY: lambda raw: raw.tail(125),
    Reason.NO_BARS: lambda raw: raw.tail(200).as_of(date(1990, 1, 1)),
    Reason.DUPLICATE_SESSION: lambda raw: raw.rows(np.r_[0:199, 198, 199]),
    Reason.UNEXPECTED_SESSION: on_sunday,
}


@pytest.mark.parametrize("reason", REFUSED, ids=str)
def test_a_ticker_that_breaks_a_rule_is_withheld_and_the_others_published(
    model: Model, reason: Reason
) -> None:
    store, source = MemoryObjects(), market(QQQ=REFUSED[reason](raw_bars("QQQ")))
    summary = run(job(model, source, store), EVENING)
    assert summary.withheld == {"QQQ": reason}
    rows = forecasts(store)
    withheld = rows["ticker"] == "QQQ"
    assert set(rows["status"][withheld]) == {f"withheld:{reason}"}
    assert withheld.sum() == 5
    assert np.isnan(rows["prediction"][withheld]).all()
    assert np.isnan(rows["last_close"][withheld]).all()
    assert set(rows["status"][~withheld]) == {"ok"}
    with pytest.raises(IncompleteRun, match=rf"withheld QQQ \({reason}\)"):
        summary.require_complete()


def down(*tickers: str) -> ScriptedSource:
    def answer(asked: list[str], first: date, last: date) -> Reading:
        return Reading(
            bars={t: raw_bars(t).as_of(last).since(first) for t in asked if t not in tickers},
            failures={t: SourceUnavailable(f"{t}: 429") for t in asked if t in tickers},
        )

    return ScriptedSource(answer)


def test_a_retry_publishes_what_was_missing_as_the_next_part(model: Model) -> None:
    store = MemoryObjects()
    run(job(model, down("DIA", "IWM"), store), EVENING)
    first = dict(store.objects)
    summary = run(job(model, market(), store), EVENING + timedelta(hours=2))
    assert summary.published == ("DIA", "IWM")
    assert summary.withheld == {}
    assert [m.part for m in summary.manifests] == [0, 1]
    assert set(forecasts(store, FORECASTS.replace(".00.", ".01."))["ticker"]) == {"DIA", "IWM"}
    kept = {key: data for key, data in store.objects.items() if key in first}
    changed = {key for key in first if kept[key] != first[key]}
    assert changed == {*VIEWS}


def test_a_part_after_the_first_holds_only_what_it_publishes(model: Model) -> None:
    store = MemoryObjects()
    run(job(model, down("QQQ", "DIA", "IWM"), store), EVENING)
    summary = run(job(model, down("IWM"), store), EVENING)
    assert summary.withheld == {"IWM": Reason.SOURCE_UNAVAILABLE}
    assert summary.manifests[1].tickers == {"QQQ": "ok", "DIA": "ok"}


def test_a_retry_that_gets_nothing_new_writes_nothing(model: Model) -> None:
    store = MemoryObjects()
    run(job(model, down("DIA"), store), EVENING)
    before = dict(store.objects)
    summary = run(job(model, down("DIA"), store), EVENING)
    assert summary.outcome is Outcome.INCOMPLETE
    assert summary.withheld == {"DIA": Reason.SOURCE_UNAVAILABLE}
    assert store.objects == before


def test_a_session_whose_bars_are_all_refused_is_recorded_with_the_reasons(model: Model) -> None:
    store = MemoryObjects()
    run(job(model, market(), store), EVENING - timedelta(days=1))
    jumping = ScriptedSource.of(*(split_unadjusted(raw_bars(ticker), -9) for ticker in TICKERS))
    summary = run(job(model, jumping, store), EVENING)
    assert (summary.outcome, summary.published) == (Outcome.INCOMPLETE, ())
    assert set(forecasts(store)["status"]) == {"withheld:price_jump"}


def ending(session: date) -> ScriptedSource:
    return ScriptedSource.of(*(raw_bars(ticker).as_of(session) for ticker in TICKERS))


NO_BAR_OF_THE_SESSION = {
    "down": (down(*TICKERS), "source_unavailable"),
    "ended": (ending(date(2024, 12, 20)), "stale"),
    "empty": (ScriptedSource.of(), "unknown_ticker"),
}


@pytest.mark.parametrize(
    ("source", "reason"), NO_BAR_OF_THE_SESSION.values(), ids=NO_BAR_OF_THE_SESSION
)
def test_a_session_of_which_no_bar_came_is_not_recorded_and_stays_open(
    model: Model, source: ScriptedSource, reason: str
) -> None:
    # A source that is down says nothing of whether the session has come: the clock may be wrong.
    store = MemoryObjects()
    run(job(model, market(), store), EVENING - timedelta(days=1))
    before = dict(store.objects)
    summary = run(job(model, source, store), EVENING)
    assert (summary.outcome, summary.manifests) == (Outcome.INCOMPLETE, ())
    assert summary.withheld == dict.fromkeys(TICKERS, reason)
    with pytest.raises(IncompleteRun):
        summary.require_complete()
    assert store.objects == before
    assert run(job(model, market(), store), EVENING).published == tuple(sorted(TICKERS))


def test_a_clock_a_year_ahead_closes_nothing(model: Model) -> None:
    store, calendar = MemoryObjects(), FixedCalendar(weekdays(700, "2026-01-30").tolist())
    ahead = EVENING.replace(year=2025)
    for begun in (False, True):
        sound = dataclasses.replace(job(model, market(), store), calendar=calendar)
        before = dict(store.objects)
        for source in (market(), down(*TICKERS)):
            wrong = dataclasses.replace(sound, source=source)
            assert run(wrong, ahead).manifests == ()
        assert store.objects == before
        assert run(sound, EVENING - timedelta(days=not begun)).outcome is Outcome.PUBLISHED


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (down(*TICKERS), "source_unavailable"),
        (ScriptedSource.of(*(raw_bars(t).as_of(date(2024, 12, 20)) for t in TICKERS)), "stale"),
    ],
)
def test_no_record_begins_with_a_run_that_publishes_nobody(
    model: Model, source: ScriptedSource, reason: str
) -> None:
    store = MemoryObjects()
    summary = run(job(model, source, store), EVENING)
    assert (summary.outcome, summary.manifests) == (Outcome.INCOMPLETE, ())
    assert summary.withheld == dict.fromkeys(TICKERS, reason)
    assert store.objects == {}
    # Another source, or an earlier session, may begin it.
    other = job(model, ScriptedSource(market()._script, "other"), store)
    assert run(other, EVENING).outcome is Outcome.PUBLISHED


def test_no_bar_of_any_ticker_is_an_unannounced_closure_and_stays_open(model: Model) -> None:
    store = MemoryObjects()
    late = ScriptedSource.of(*(without_rows(raw_bars(ticker), -1) for ticker in TICKERS))
    summary = run(job(model, late, store), EVENING)
    assert summary.outcome is Outcome.CLOSED_UNCONFIRMED
    assert summary.data_lag_sessions == 1
    assert store.objects == {}
    assert run(job(model, market(), store), EVENING).outcome is Outcome.PUBLISHED


def test_a_last_row_of_nan_in_every_ticker_is_an_unannounced_closure_too(model: Model) -> None:
    store = MemoryObjects()
    empty = ScriptedSource.of(*(last_close(raw_bars(ticker), np.nan) for ticker in TICKERS))
    summary = run(job(model, empty, store), EVENING)
    assert (summary.outcome, summary.data_lag_sessions) == (Outcome.CLOSED_UNCONFIRMED, 1)
    assert store.objects == {}


def test_the_lag_is_that_of_the_ticker_that_is_furthest_behind(model: Model) -> None:
    behind = market(QQQ=without_rows(raw_bars("QQQ"), -2, -1))
    assert run(job(model, behind), EVENING).data_lag_sessions == 2


def test_bars_revised_between_a_crash_and_the_retry_change_nothing(model: Model) -> None:
    clean, crashed = MemoryObjects(), MemoryObjects(crash_after=1)
    run(job(model, market(), clean), EVENING)
    with pytest.raises(Crash):
        run(job(model, market(), crashed), EVENING)
    revised = market(SPY=last_close(raw_bars("SPY"), raw_bars("SPY").close[-1] * 1.001))
    run(job(model, revised, crashed), EVENING + timedelta(hours=3))
    assert crashed.objects == clean.objects
    assert revised.calls == []


def test_forecasts_of_another_vintage_are_gone_past(model: Model) -> None:
    other, store = MemoryObjects(), MemoryObjects()
    run(job(model, down("SPY"), other), EVENING)
    run(job(model, market(), store), EVENING - timedelta(days=1))
    store.objects[FORECASTS] = other.objects[FORECASTS]
    summary = run(job(model, market(), store), EVENING)
    assert summary.manifests[0].table("forecasts") == FORECASTS.replace(".00.", ".01.")
    assert store.objects[FORECASTS] == other.objects[FORECASTS]
    assert verify(store, ParquetTables(), CALENDAR).left_behind == (FORECASTS,)


def test_nothing_is_added_behind_the_newest_session(model: Model) -> None:
    store = MemoryObjects()
    run(job(model, market(), store), EVENING)
    before = dict(store.objects)
    with pytest.raises(
        RequestError,
        match=r"2024-12-26: expected no later session in the store, found .*2024-12-27",
    ):
        run(job(model, market(), store), EVENING - timedelta(days=1))
    assert store.objects == before


def test_where_the_calendar_ends_a_run_is_refused_before_it_writes(model: Model) -> None:
    store = MemoryObjects()
    for last, refused in (("2025-01-02", True), ("2025-01-03", False)):
        ending = dataclasses.replace(
            job(model, market(), store), calendar=FixedCalendar(weekdays(400, last).tolist())
        )
        with pytest.raises(ConfigError) if refused else nullcontext():
            run(ending, EVENING)
        assert bool(store.objects) == (not refused)


def test_a_manifest_that_is_no_manifest_is_named(model: Model) -> None:
    store = MemoryObjects({"runs/2024-12-27.00.json": b"{}"})
    with pytest.raises(StoreError, match=r"runs/2024-12-27\.00\.json: expected a run manifest"):
        run(job(model, market(), store), EVENING)
