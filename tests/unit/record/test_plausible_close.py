"""A close beyond ten sigmas of the forecast on the record waits until it is seen again."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from pipeline.bars import RawBars
from pipeline.errors import IncompleteRun, Reason
from pipeline.forecasting.model import Model
from pipeline.jobs.daily_summary import Outcome
from pipeline.jobs.remake_check import Sample
from pipeline.jobs.verify import Scope, verify
from pipeline.record.manifest import Mode, read_manifests
from tests.support.builders import raw_bars
from tests.support.fakes import Crash, MemoryObjects
from tests.support.records import (
    CALENDAR,
    DAYS,
    LONG_AFTER,
    SESSIONS,
    TABLES,
    backfilled,
    evening,
    job_on,
    market,
    run,
    run_day,
    run_days,
    scaled,
    scores_of,
    with_column,
)

BEFORE, DAY, AFTER, LATER = SESSIONS[-4:]
AT = len(SESSIONS) - 3
HOUR = timedelta(hours=1)


def printed(factor: float, ticker: str = "SPY", row: int = AT) -> dict[str, RawBars]:
    """The market with one bar of a ticker times a factor."""
    return market(**{ticker: scaled(market()[ticker], factor, slice(row, row + 1))})


def at_thirty() -> dict[str, RawBars]:
    """Somebody else's walk under SPY's name."""
    other = raw_bars("XYZ", len(DAYS), session=DAYS)
    return market(SPY=scaled(other, 30.0 / other.close[AT]))


@pytest.fixture
def store(model: Model) -> MemoryObjects:
    return run_days(model, [SESSIONS[-5], BEFORE])


@pytest.mark.parametrize("factor", [1.35, 2.5, 0.4, 0.75, 1.13, 0.87], ids=str)
def test_a_bad_print_is_never_published(model: Model, store: MemoryObjects, factor: float) -> None:
    told = run_day(model, store, DAY, printed(factor))
    # A whole bar at 5 for 2 of the one before is one that no split was undone of.
    reason = Reason.PRICE_JUMP if factor in (2.5, 0.4) else Reason.IMPLAUSIBLE_CLOSE
    assert told.withheld == {"SPY": reason}
    assert told.published == ("QQQ",)
    with pytest.raises(IncompleteRun, match=rf"SPY \({reason}\)"):
        told.require_complete()
    assert not [key for key in scores_of(store) if key[0] == "SPY" and key[1] == BEFORE]
    mended = run(job_on(model, store, market()), evening(DAY) + 2 * HOUR)
    assert (mended.outcome, mended.published) == (Outcome.PUBLISHED, ("SPY",))
    assert scores_of(store) == scores_of(run_days(model, [SESSIONS[-5], BEFORE, DAY]))


def test_another_market_under_the_name_is_withheld(model: Model, store: MemoryObjects) -> None:
    assert set(run_day(model, store, DAY, at_thirty()).withheld) == {"SPY"}


@pytest.mark.parametrize(("minutes", "published"), [(0, ()), (59, ()), (60, ("SPY",))])
def test_a_crash_counts_once_a_run_an_hour_later_sees_it_too(
    model: Model, store: MemoryObjects, minutes: int, published: tuple[str, ...]
) -> None:
    crash = printed(0.8)
    run_day(model, store, DAY, crash)
    first = dict(store.objects)
    told = run(job_on(model, store, crash), evening(DAY) + timedelta(minutes=minutes))
    assert told.published == published
    if not published:
        assert store.objects == first
        return
    assert [part.tickers for part in told.manifests[1:]] == [{"SPY": "ok"}]
    found = verify(store, TABLES, CALENDAR, Scope(Sample(deep=True)))
    assert (found.findings, found.left_behind) == ((), ())


@pytest.mark.parametrize(("again", "seen"), [(1.004, True), (1.006, False)])
def test_what_is_seen_again_is_the_same_close_as_a_source_rounds_it(
    model: Model, store: MemoryObjects, again: float, seen: bool
) -> None:
    run_day(model, store, DAY, printed(0.8))
    told = run(job_on(model, store, printed(0.8 * again)), evening(DAY) + 2 * HOUR)
    assert bool(told.published) is seen


@pytest.mark.parametrize(("factor", "fit"), [(0.75, False), (1.0, True)])
def test_where_no_forecast_is_to_be_believed_the_close_before_is_compared(
    model: Model, factor: float, fit: bool
) -> None:
    """All that is forecast of the day is from one bad print, days ago and mended by now."""
    at = SESSIONS.index(DAY)
    store = run_days(model, SESSIONS[at - 3 : at - 2], printed(1.05, row=AT - 3))
    for session in SESSIONS[at - 2 : at]:
        run_day(model, store, session, {"QQQ": market()["QQQ"]})
    told = run_day(model, store, DAY, printed(factor))
    assert told.withheld == ({} if fit else {"SPY": Reason.IMPLAUSIBLE_CLOSE})


def test_two_bad_prints_confirm_none(model: Model, store: MemoryObjects) -> None:
    run_day(model, store, DAY, printed(1.35))
    for hours in (2, 4):
        told = run(job_on(model, store, printed(1.3)), evening(DAY, 21) + hours * HOUR)
        assert told.withheld == {"SPY": Reason.IMPLAUSIBLE_CLOSE}


def test_a_close_seen_while_another_fault_withheld_the_ticker_counts_as_seen(
    model: Model, store: MemoryObjects
) -> None:
    crash = printed(0.8)
    odd = with_column(crash["SPY"], "low", 400, 1e9)
    assert run_day(model, store, DAY, crash | {"SPY": odd}).withheld == {
        "SPY": Reason.INCONSISTENT_OHLC
    }
    assert run(job_on(model, store, crash), evening(DAY) + HOUR).published == ("SPY",)


@pytest.mark.parametrize("so", [True, False], ids=["within", "beyond"])
def test_ten_sigmas_are_those_of_the_forecast(model: Model, store: MemoryObjects, so: bool) -> None:
    key = f"forecasts/month=2024-12/{BEFORE}.00.parquet"
    row = {name: v[0] for name, v in TABLES.decode("forecasts", store.objects[key])[0].items()}
    close = row["prediction"] * np.exp((9.99 if so else 10.01) * row["sigma"])
    told = run_day(model, store, DAY, printed(close / market()["SPY"].close[AT]))
    assert ("SPY" in told.published) is so


def test_without_a_record_nothing_can_be_said(model: Model) -> None:
    told = run_day(model, MemoryObjects(), DAY, printed(1.35))
    assert told.withheld == {}


def test_a_ticker_without_a_forecast_of_the_session_is_not_doubted(model: Model) -> None:
    store = run_days(model, [BEFORE], {"QQQ": market()["QQQ"]})
    assert run_day(model, store, DAY, printed(1.35)).withheld == {}


def test_a_forecast_of_days_ago_serves_where_the_newest_is_missing(model: Model) -> None:
    store = run_days(model, [SESSIONS[-5]])
    run_day(model, store, BEFORE, {"QQQ": market()["QQQ"]})
    assert run_day(model, store, DAY, printed(0.75)).withheld == {"SPY": Reason.IMPLAUSIBLE_CLOSE}


def test_true_bars_after_a_published_bad_print_are_never_withheld(
    model: Model, store: MemoryObjects
) -> None:
    bad = printed(1.35)
    run_day(model, store, DAY, bad)
    assert run(job_on(model, store, bad), evening(DAY) + 2 * HOUR).published == ("SPY",)
    for session in (AFTER, LATER):
        assert run_day(model, store, session, market()).withheld == {}


def test_a_small_bad_print_that_is_mended_withholds_nobody(
    model: Model, store: MemoryObjects
) -> None:
    assert run_day(model, store, DAY, printed(1.05)).withheld == {}
    assert run_day(model, store, AFTER, market()).withheld == {}


def test_a_past_close_that_comes_back_far_off_waits_too(model: Model, store: MemoryObjects) -> None:
    shaken = market(SPY=scaled(market()["SPY"], 1.35, slice(AT - 5, AT - 4)))
    told = run_day(model, store, DAY, shaken)
    assert told.withheld == {"SPY": Reason.IMPLAUSIBLE_CLOSE}
    assert run(job_on(model, store, market()), evening(DAY) + HOUR).published == ("SPY",)


def test_a_past_close_that_is_seen_again_counts(model: Model, store: MemoryObjects) -> None:
    shaken = market(SPY=scaled(market()["SPY"], 0.8, slice(AT - 5, AT - 4)))
    run_day(model, store, DAY, shaken)
    assert run(job_on(model, store, shaken), evening(DAY) + HOUR).published == ("SPY",)


def test_a_split_is_no_implausible_close(model: Model, store: MemoryObjects) -> None:
    split = with_column(scaled(market()["SPY"], 0.5), "split", AT, 2.0)
    assert run_day(model, store, DAY, market(SPY=split)).withheld == {}


def test_a_bad_print_on_the_day_of_a_split_is_one(model: Model, store: MemoryObjects) -> None:
    split = with_column(scaled(printed(0.8)["SPY"], 0.5), "split", AT, 2.0)
    assert run_day(model, store, DAY, market(SPY=split)).withheld == {
        "SPY": Reason.IMPLAUSIBLE_CLOSE
    }


def test_history_is_not_doubted(model: Model) -> None:
    """What is read when the next session is over has stood for a day, and nobody looks again."""
    crash = printed(0.8)
    store = backfilled(model, SESSIONS[-5], LATER, crash, MemoryObjects())
    assert read_manifests(store, DAY)[0].tickers["SPY"] == "ok"
    for now in (evening(AFTER), LONG_AFTER):
        store = run_days(model, [SESSIONS[-5], BEFORE])
        told = run(job_on(model, store, crash), evening(DAY), now)
        assert (told.withheld, told.manifests[0].mode) == ({}, Mode.AS_OF)


def test_the_newest_session_of_a_backfill_is_doubted_like_any(model: Model) -> None:
    bars = {ticker: raw.as_of(DAY) for ticker, raw in printed(0.8).items()}
    store = backfilled(model, SESSIONS[-5], DAY, bars, MemoryObjects(), evening(DAY))
    assert read_manifests(store, DAY)[0].tickers["SPY"] == "withheld:implausible_close"
    assert run(job_on(model, store, bars), evening(DAY) + HOUR).published == ("SPY",)


@pytest.mark.parametrize("n", range(1, 9))
def test_a_run_that_dies_over_a_crash_of_prices_is_finished_to_the_same_bytes(
    model: Model, n: int
) -> None:
    crash, stores = printed(0.8), []
    for dies in (False, True):
        store = run_days(model, [SESSIONS[-5], BEFORE])
        run_day(model, store, DAY, crash)
        if dies:
            store.crash_after = store.writes + n
            with pytest.raises(Crash):
                run(job_on(model, store, crash), evening(DAY) + HOUR)
        run(job_on(model, store, crash), evening(DAY) + (2 if dies else 1) * HOUR)
        stores.append(store.objects)
    assert stores[0] == stores[1]
