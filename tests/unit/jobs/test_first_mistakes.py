"""What was run wrongly, and died or published nobody, costs the right runs nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from pipeline.errors import IncompleteRun, RequestError, StoreError
from pipeline.forecasting.forecast import Forecast
from pipeline.forecasting.model import Model
from pipeline.grid import round_digits
from pipeline.jobs.backfill.run import backfill
from pipeline.jobs.daily_job import DailyJob
from pipeline.jobs.daily_summary import Outcome
from pipeline.jobs.replay import replay
from pipeline.jobs.verify import verify
from pipeline.record.chain import find_head, walk_back
from pipeline.record.forecasters import DirectForecaster
from pipeline.record.manifest import Mode, read_manifests
from pipeline.record.vintage import Vintage
from tests.support.builders import raw_bars
from tests.support.fakes import Crash, FixedCalendar, MemoryObjects, ScriptedSource
from tests.support.records import (
    CALENDAR,
    DAYS,
    LONG_AFTER,
    SESSIONS,
    TABLES,
    TICKERS,
    backfilled,
    evening,
    job_on,
    market,
    record_of_runs,
    run,
    run_day,
    run_days,
    scaled,
    states,
)

SPAN = SESSIONS[-4:]


def simulated() -> ScriptedSource:
    """A market whose SPY is at other prices, from another source."""
    source = ScriptedSource.of(*(scaled(bars, 0.5) for bars in market().values()))
    source.label = "simulated market (not real prices)"
    return source


WRONG: dict[str, Callable[[DailyJob], DailyJob]] = {
    "another source": lambda job: replace(job, source=simulated()),
    "another mode": lambda job: replace(job, mode=Mode.AS_OF),
    "fewer tickers": lambda job: replace(job, tickers=TICKERS[:1]),
    "more tickers": lambda job: replace(job, tickers=(*TICKERS, "DIA")),
}


def die_after(n: int, store: MemoryObjects, act: Callable[[MemoryObjects], object]) -> None:
    """Let a run die after its n-th write; what it has written stays."""
    dying = MemoryObjects(store.objects, crash_after=n)
    with pytest.raises(Crash):
        act(dying)
    store.objects = dying.objects


def published(store: MemoryObjects) -> dict[str, bytes]:
    """What the record says, whatever number its parts have: forecasts, scores, states by name."""
    return record_of_runs(store, TABLES)


@pytest.mark.parametrize("begun", [0, 2], ids=["first", "later"])
@pytest.mark.parametrize("what", WRONG)
def test_a_dead_run_s_bars_are_taken_up_only_by_who_asked_alike(
    model: Model, what: str, begun: int
) -> None:
    store = run_days(model, SPAN[:begun], store=MemoryObjects())
    if begun and what == "another source":
        with pytest.raises(StoreError, match="another source needs another store"):
            run(WRONG[what](job_on(model, store, market())), evening(SPAN[begun]))
        return
    wrong = lambda dying: run(  # noqa: E731
        WRONG[what](job_on(model, dying, market())), evening(SPAN[begun])
    )
    die_after(1, store, wrong)
    left = dict(store.objects)
    summary = run_day(model, store, SPAN[begun], market())
    assert [part.part for part in summary.manifests] == [1]
    assert {(part.mode, part.source) for part in summary.manifests} == {("live", "scripted")}
    run_day(model, store, SPAN[begun + 1], market())
    clean = run_days(model, SPAN[: begun + 2])
    assert published(store) == published(clean)
    assert [s.withheld for s in states(store)] == [s.withheld for s in states(clean)]
    assert [s.revised for s in states(store)] == [s.revised for s in states(clean)]
    found = verify(store, TABLES, CALENDAR)
    (vintage,) = left.keys() - run_days(model, SPAN[:begun]).objects.keys()
    assert (found.findings, found.left_behind) == ((), (vintage,))
    assert all(one.equal for one in replay(store, TABLES, CALENDAR, SPAN[begun]))


def test_the_prices_of_a_dead_simulated_run_are_nobody_s(model: Model) -> None:
    store = MemoryObjects()
    die_after(3, store, lambda dying: run(job_on(model, dying, simulated()), evening(SPAN[0])))
    summary = run_day(model, store, SPAN[0], market())
    rows = TABLES.decode("forecasts", store.objects[summary.manifests[0].table("forecasts")])[0]
    assert rows["last_close"][0] == round_digits(market()["SPY"].as_of(SPAN[0]).close[-1])


def test_who_asks_alike_takes_up_a_dead_run_s_bars_whatever_the_order_of_tickers(
    model: Model,
) -> None:
    store = MemoryObjects()
    die_after(1, store, lambda dying: run_day(model, dying, SPAN[0], market()))
    revised = market(SPY=scaled(market()["SPY"], 1.01))
    turned = job_on(model, store, revised, tickers=TICKERS[::-1])
    assert [part.part for part in run(turned, evening(SPAN[0])).manifests] == [0]
    assert store.objects == run_days(model, SPAN[:1]).objects


def test_parts_of_a_session_go_past_a_dead_run_s_numbers_in_order(model: Model) -> None:
    store, only_spy = run_days(model, SPAN[:1], store=MemoryObjects()), {"SPY": market()["SPY"]}
    for tickers in ((*TICKERS, "DIA"), ("QQQ",)):
        wrong = lambda dying, tickers=tickers: run(  # noqa: E731
            job_on(model, dying, market(), tickers=tickers), evening(SPAN[1])
        )
        die_after(1, store, wrong)
    run_day(model, store, SPAN[1], only_spy)
    # What one of the dead had asked is what is missing now; but parts follow each other in order.
    run_day(model, store, SPAN[1], market())
    run_day(model, store, SPAN[2], market())
    keys = [link.manifest.key for link in walk_back(store, find_head(store))]
    names = [f"{SPAN[2]}.00", f"{SPAN[1]}.03", f"{SPAN[1]}.02", f"{SPAN[0]}.00"]
    assert keys == [f"runs/{name}.json" for name in names]
    assert states(store)[-1].withheld == {"QQQ": {"unknown_ticker": 1}}
    assert verify(store, TABLES, CALENDAR).findings == ()


def test_a_vintage_of_the_time_to_come_was_read_under_a_wrong_clock(model: Model) -> None:
    for hours, number in ((0.2, 0), (30, 1)):
        store, ahead = MemoryObjects(), LONG_AFTER + timedelta(hours=hours)
        as_of = lambda on, now: run(  # noqa: E731
            job_on(model, on, market(), mode=Mode.AS_OF), evening(SPAN[0]), now
        )
        die_after(1, store, lambda dying, now=ahead, act=as_of: act(dying, now))
        (part,) = as_of(store, LONG_AFTER).manifests
        assert (part.part, part.issued_at) == (number, (LONG_AFTER, ahead)[number == 0])


def test_what_is_no_vintage_is_gone_past(model: Model) -> None:
    key = f"bars/month=2024-12/{SPAN[0]}.00.parquet"
    store = MemoryObjects({key: b"half a"})
    assert [part.part for part in run_day(model, store, SPAN[0], market()).manifests] == [1]


def test_a_session_that_is_full_of_dead_runs_is_one_clear_error(model: Model) -> None:
    keys = [f"bars/month=2024-12/{SPAN[0]}.{number:02d}.parquet" for number in range(100)]
    store = MemoryObjects(dict.fromkeys(keys, b"half a"))
    with pytest.raises(StoreError, match="expected fewer than 100 parts of a session"):
        run_day(model, store, SPAN[0], market())
    with pytest.raises(StoreError, match="expected fewer than 100 parts of a session"):
        backfilled(model, SPAN[0], SPAN[0], store=store)


def test_a_dead_run_of_a_later_session_closes_nothing(model: Model) -> None:
    store = run_days(model, SPAN[:1], store=MemoryObjects())
    die_after(1, store, lambda dying: run_day(model, dying, SPAN[3], market()))
    assert run_day(model, store, SPAN[1], market()).outcome is Outcome.PUBLISHED
    die_after(2, store, lambda dying: run_day(model, dying, SPAN[3], market()))  # claimed
    with pytest.raises(RequestError, match=f"{SPAN[2]}: expected no later session"):
        run_day(model, store, SPAN[2], market())


def unfit(
    self: DirectForecaster, bars: Any, vix: Any, real: Any = DirectForecaster.forecast
) -> Forecast:
    forecast = real(self, bars, vix)
    return replace(forecast, finite=np.zeros(len(forecast.tickers), bool))


def test_a_model_that_answers_nothing_begins_no_record(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = MemoryObjects()
    with monkeypatch.context() as patched:
        patched.setattr(DirectForecaster, "forecast", unfit)
        summary = run_day(model, store, SPAN[0], market())
    assert store.objects == {}
    assert summary.withheld == dict.fromkeys(TICKERS, "non_finite_output")
    with pytest.raises(IncompleteRun):
        summary.require_complete()


def test_after_a_revision_of_every_ticker_the_record_goes_on(model: Model) -> None:
    # What is refused is recorded, or every later session would be compared with the old closes.
    store = run_days(model, SPAN[:1], store=MemoryObjects())
    revised = {ticker: scaled(bars, 1.1) for ticker, bars in market().items()}
    assert set(run_day(model, store, SPAN[1], revised).withheld.values()) == {
        "unexplained_revision"
    }
    assert len(read_manifests(store, SPAN[1])) == 1
    assert run_day(model, store, SPAN[2], revised).outcome is Outcome.PUBLISHED


def test_what_is_issued_after_the_next_close_is_never_live_and_says_when(model: Model) -> None:
    store = MemoryObjects()
    (part,) = run(job_on(model, store, market()), evening(SPAN[0]), LONG_AFTER).manifests
    assert (part.mode, part.issued_at) == (Mode.AS_OF, LONG_AFTER)
    with pytest.raises(RequestError, match="expected a time that has come"):
        run(job_on(model, store, market()), evening(SPAN[2]), evening(SPAN[1]))


def test_a_clock_behind_that_of_the_run_before_is_no_obstacle(model: Model) -> None:
    store = MemoryObjects()
    wrong = LONG_AFTER + timedelta(days=365)
    calendar = FixedCalendar([*CALENDAR.sessions, wrong.date()])
    early = job_on(model, store, market(), calendar=calendar, mode=Mode.AS_OF)
    run(early, evening(SPAN[0]), wrong)
    summary = run(job_on(model, store, market()), evening(SPAN[1]))
    assert [part.issued_at for part in summary.manifests] == [evening(SPAN[1])]


# Backfills


def other_bars() -> dict[str, Any]:
    return {ticker: raw_bars(ticker, 420, session=DAYS, seed=8) for ticker in TICKERS}


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_dead_backfill_from_the_wrong_bars_binds_nobody(model: Model, n: int) -> None:
    for act in (
        lambda dying: backfilled(model, SPAN[0], SPAN[-1], bars=other_bars(), store=dying),
        lambda dying: run_day(model, dying, SPAN[1], market(), mode=Mode.AS_OF),
    ):
        store = MemoryObjects()
        die_after(n, store, act)
        backfilled(model, SPAN[0], SPAN[-1], store=store)
        assert published(store) == published(backfilled(model, SPAN[0], SPAN[-1]))
        before = dict(store.objects)
        assert backfilled(model, SPAN[0], SPAN[-1], store=store).objects == before
        assert verify(store, TABLES, CALENDAR).findings == ()


def test_a_backfill_goes_on_by_its_own_plan_beside_a_dead_one(model: Model) -> None:
    store, day_before = MemoryObjects(), LONG_AFTER - timedelta(days=1)
    span = (SESSIONS[-20], SESSIONS[-1])
    dead = lambda dying: backfilled(  # noqa: E731
        model, *span, bars=other_bars(), store=dying, at=day_before
    )
    die_after(1, store, dead)
    die_after(60, store, lambda dying: backfilled(model, *span, store=dying))
    assert 0 < len(store.keys("runs/")) < 20
    backfilled(model, *span, store=store, at=LONG_AFTER + timedelta(days=1))
    assert published(store) == published(backfilled(model, *span))


def test_a_dead_plan_over_what_runs_have_issued_since_binds_nobody(model: Model) -> None:
    store = MemoryObjects()
    dead = lambda dying: backfilled(model, SPAN[0], SPAN[-1], bars=other_bars(), store=dying)  # noqa: E731
    die_after(1, store, dead)
    run_days(model, SPAN[:2], store=store)
    backfilled(model, SPAN[2], SPAN[-1], store=store)
    modes = [link.manifest.mode for link in walk_back(store, find_head(store))]
    assert modes == ["backfill", "backfill", "live", "live"]


def test_a_backfill_begins_with_the_first_session_that_publishes_somebody(model: Model) -> None:
    short = {ticker: bars.tail(127) for ticker, bars in market().items()}
    store = backfilled(model, SESSIONS[-4], SESSIONS[-1], bars=short)
    assert store.keys("runs/") == [f"runs/{session}.00.json" for session in SESSIONS[-2:]]
    before = dict(store.objects)
    assert backfilled(model, SESSIONS[-4], SESSIONS[-1], bars=short, store=store).objects == before


def test_a_backfill_that_publishes_nobody_records_nothing_and_says_so(model: Model) -> None:
    short, store = {ticker: bars.tail(99) for ticker, bars in market().items()}, MemoryObjects()
    with pytest.raises(
        RequestError, match="expected bars fit for a forecast.*nothing was recorded"
    ):
        backfilled(model, SPAN[0], SPAN[-1], bars=short, store=store)
    assert {key.partition("/")[0] for key in store.objects} <= {"backfills"}
    source = job_on(model, store, simulated())
    assert backfill(source, SPAN[0], SPAN[-1], LONG_AFTER, lambda *_: None) == len(SPAN)


def test_a_session_of_which_no_bar_came_is_left_out_of_a_backfill(model: Model) -> None:
    hole = {
        ticker: bars.rows(bars.session != np.datetime64(SPAN[1]))
        for ticker, bars in market().items()
    }
    store = backfilled(model, SPAN[0], SPAN[2], bars=hole)
    assert store.keys("runs/") == [f"runs/{session}.00.json" for session in (SPAN[0], SPAN[2])]


def test_the_vintage_says_what_was_asked_and_when(model: Model) -> None:
    store = MemoryObjects()
    run(
        job_on(model, store, {"SPY": market()["SPY"]}, mode=Mode.AS_OF),
        evening(SPAN[0]),
        LONG_AFTER,
    )
    data = store.objects[f"bars/month=2024-12/{SPAN[0]}.00.parquet"]
    info = Vintage.decode(TABLES, data).info
    assert (info.tickers, info.mode, info.issued_at) == (TICKERS, "as_of", LONG_AFTER)
    assert info.asked == (*TICKERS, *model.manifest.covariates)


def test_after_a_session_of_which_all_was_refused_the_next_try_is_another_part(
    model: Model,
) -> None:
    store = run_days(model, SESSIONS[-3:-1])
    bent = {ticker: scaled(bars, 1.02, slice(0, 400)) for ticker, bars in market().items()}
    run_day(model, store, SESSIONS[-1], bent)
    assert read_manifests(store, SESSIONS[-1])[0].published == set()
    # It asks for what the first part has asked for, and is not to take that for its own.
    assert run_day(model, store, SESSIONS[-1], market()).published == ("QQQ", "SPY")
    assert [run.part for run in read_manifests(store, SESSIONS[-1])] == [0, 1]


def test_a_plan_of_the_time_to_come_was_made_under_a_wrong_clock(model: Model) -> None:
    ahead, span = LONG_AFTER.replace(year=2026), (SESSIONS[-4], SESSIONS[-1])
    died = MemoryObjects(crash_after=1)
    with pytest.raises(Crash):
        backfilled(model, *span, store=died, at=ahead)
    store = backfilled(model, *span, store=MemoryObjects(died.objects))
    assert len(store.keys("backfills/")) == 2
    assert read_manifests(store, span[0])[0].issued_at == LONG_AFTER
