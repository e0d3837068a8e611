"""A backfill is the history that daily runs would have made, written at once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import msgspec
import numpy as np
import pytest

from pipeline.bars import Bars, RawBars
from pipeline.errors import ForecasterError, RequestError, StoreError
from pipeline.forecasting.forecast import Forecast
from pipeline.forecasting.model import Model
from pipeline.jobs.backfill.run import backfill
from pipeline.jobs.replay import replay
from pipeline.jobs.verify import verify
from pipeline.ports import ObjectStore
from pipeline.record.chain import find_head, walk_back
from pipeline.record.forecasters import DirectForecaster
from pipeline.record.manifest import Mode
from tests.support.builders import raw_bars
from tests.support.fakes import Crash, MemoryObjects, ScriptedSource
from tests.support.records import (
    CALENDAR,
    DAYS,
    LONG_AFTER,
    SESSIONS,
    TABLES,
    TICKERS,
    BarsByTicker,
    backfilled,
    job_on,
    market,
    run_day,
    run_days,
    states,
    table,
    with_column,
    without,
)

SPAN = SESSIONS[-10:]
WHEN_AND_WHERE = {"issued_at", "vintage_sha256", "mode"}


def assert_same_history(one: ObjectStore, other: ObjectStore) -> None:
    """All that was forecast, scored and learnt is equal, but not when and in which mode."""
    for name in ("forecasts", "baselines", "scores"):
        ours, theirs = table(one, name), table(other, name)
        assert list(ours) == list(theirs)
        for column in ours.keys() - WHEN_AND_WHERE:
            np.testing.assert_array_equal(ours[column], theirs[column], err_msg=f"{name} {column}")
    for mine, yours in zip(states(one), states(other), strict=True):
        assert mine.log_gains == yours.log_gains
        assert list(mine.tracks.values()) == list(yours.tracks.values())
        assert mine.withheld == yours.withheld
        assert [o.tickers for o in mine.outstanding] == [o.tickers for o in yours.outstanding]


@pytest.fixture(scope="module")
def clean(model: Model) -> MemoryObjects:
    """What an undisturbed backfill leaves."""
    return backfilled(model, SPAN[0], SPAN[-1])


HISTORIES: dict[str, BarsByTicker] = {
    "whole": market(),
    "with a hole long ago": market(QQQ=with_column(market()["QQQ"], "close", 150, np.nan)),
    "with a hole in the span": market(QQQ=with_column(market()["QQQ"], "close", -6, np.nan)),
    "with a session missing": market(QQQ=without(market()["QQQ"], SPAN[7])),
    "too short at first": market(QQQ=market()["QQQ"].tail(130)),
    "too short for baselines at first": market(QQQ=market()["QQQ"].tail(305)),
    "ended early": market(QQQ=market()["QQQ"].as_of(SPAN[6])),
    "begun within": market(QQQ=market()["QQQ"].tail(8)),
    "unknown ticker": {"SPY": market()["SPY"]},
    "with the VIX": {**market(), "^VIX": raw_bars("^VIX", 420, session=DAYS)},
    "with holes in the VIX": {
        **market(),
        "^VIX": with_column(raw_bars("^VIX", 420, session=DAYS), "close", -7, np.nan),
    },
}


@pytest.mark.parametrize("bars", HISTORIES.values(), ids=HISTORIES.keys())
def test_a_backfill_equals_daily_runs(model: Model, bars: BarsByTicker) -> None:
    made = backfilled(model, SPAN[0], SPAN[-1], bars=bars)
    assert_same_history(made, run_days(model, SPAN, bars=bars, mode=Mode.AS_OF))
    assert verify(made, TABLES, CALENDAR).findings == ()


def test_all_of_it_is_marked_and_issued_now(model: Model) -> None:
    store = backfilled(model, SPAN[0], SPAN[-1])
    for link in walk_back(store, find_head(store)):
        assert link.manifest.mode == "backfill"
        assert link.manifest.issued_at == LONG_AFTER
    assert [link.manifest.session for link in walk_back(store, find_head(store))] == SPAN[::-1]


def test_a_backfill_reads_its_source_once_and_shows_its_progress(model: Model) -> None:
    source, seen = ScriptedSource.of(*market().values()), list[tuple[int, int]]()
    job = job_on(model, MemoryObjects(), source)
    n = backfill(job, SPAN[0], SPAN[-1], LONG_AFTER, lambda *done: seen.append(done))
    assert n == len(SPAN)
    assert seen == [(done, n) for done in range(1, n + 1)]
    assert len(source.calls) == 1


def test_days_without_sessions_around_the_span_are_left_out(model: Model) -> None:
    # Saturday to the last session.
    first = date(2024, 12, 21)
    store = backfilled(model, first, SPAN[-1])
    assert store.keys("runs/")[0] == "runs/2024-12-23.00.json"


def test_a_span_without_a_session_is_refused(model: Model) -> None:
    job = job_on(model, MemoryObjects(), market())
    with pytest.raises(RequestError, match="expected a session from 2025-01-04 to 2025-01-03"):
        backfill(job, date(2025, 1, 4), date(2025, 1, 3), LONG_AFTER, lambda *_: None)


def test_the_same_backfill_again_writes_nothing(model: Model) -> None:
    store = backfilled(model, SPAN[0], SPAN[-1])
    before = dict(store.objects)
    assert backfilled(model, SPAN[0], SPAN[-1], store=store).objects == before


def test_a_backfill_goes_on_where_another_ended(model: Model, clean: MemoryObjects) -> None:
    store = backfilled(model, SPAN[0], SPAN[7])
    backfilled(model, SPAN[0], SPAN[-1], store=store)
    assert record_of(store) == record_of(clean)


def test_live_runs_go_on_after_a_backfill(model: Model) -> None:
    store = run_days(model, SPAN[7:], store=backfilled(model, SPAN[0], SPAN[6]))
    assert_equal_but_tracks(store, run_days(model, SPAN))
    assert verify(store, TABLES, CALENDAR).findings == ()


def assert_equal_but_tracks(one: ObjectStore, other: ObjectStore) -> None:
    for name in ("forecasts", "baselines", "scores"):
        ours, theirs = table(one, name), table(other, name)
        for column in ours.keys() - WHEN_AND_WHERE:
            np.testing.assert_array_equal(ours[column], theirs[column], err_msg=f"{name} {column}")
    assert [state.log_gains for state in states(one)] == [s.log_gains for s in states(other)]


def test_a_backfill_after_live_runs_fills_what_was_missed_at_the_end(model: Model) -> None:
    store = run_days(model, SPAN[:3])
    backfilled(model, SPAN[3], SPAN[-1], store=store)
    modes = [link.manifest.mode for link in walk_back(store, find_head(store))]
    assert modes == ["backfill"] * (len(SPAN) - 3) + ["live"] * 3
    assert verify(store, TABLES, CALENDAR).findings == ()


def test_what_was_issued_live_is_never_overwritten_and_nothing_added_behind(model: Model) -> None:
    store = run_days(model, SPAN[7:9])
    before = dict(store.objects)
    for first in (SPAN[0], SPAN[7], SPAN[8]):
        with pytest.raises(
            RequestError, match=rf"expected a first session after {SPAN[8]}.*got {first}"
        ):
            backfilled(model, first, SPAN[-1], store=store)
    assert store.objects == before


def test_another_source_does_not_go_on_with_a_record(model: Model) -> None:
    store = run_days(model, SPAN[:2])
    source = ScriptedSource.of(*market().values())
    source.label = "simulated market (not real prices)"
    before = dict(store.objects)
    with pytest.raises(StoreError, match="another source needs another store"):
        backfill(job_on(model, store, source), SPAN[2], SPAN[-1], LONG_AFTER, lambda *_: None)
    assert store.objects == before


class Failing(MemoryObjects):
    """A store that fails once, at the n-th write, and works again."""

    def __init__(self, fails_at: int) -> None:
        super().__init__()
        self._fails_at = fails_at

    def create(self, key: str, data: bytes) -> bool:
        with self._lock:
            self._fails_at -= 1
            failing = self._fails_at == 0
        if failing:
            raise StoreError(f"expected to write {key}, got: slow down")
        return super().create(key, data)


def record_of(store: MemoryObjects) -> dict[str, bytes]:
    """What is on the record, whatever plans it was issued by."""
    return {key: data for key, data in store.objects.items() if not key.startswith("backfills/")}


def assert_no_hole(store: MemoryObjects) -> None:
    """Every manifest there has its objects and the manifest before it."""
    manifests = store.keys("runs/")
    for link in walk_back(store, find_head(store)):
        manifests.remove(link.manifest.key)
        assert link.manifest.objects.keys() <= store.objects.keys()
    assert manifests == []


@pytest.mark.parametrize("n", [1, 4, 8, 14, 33, 60, 80])
def test_after_a_write_that_failed_nothing_is_committed_and_it_goes_on(
    model: Model, clean: MemoryObjects, n: int
) -> None:
    store = Failing(n)
    with pytest.raises(StoreError, match="slow down"):
        backfilled(model, SPAN[0], SPAN[-1], store=store)
    assert_no_hole(store)
    later = LONG_AFTER.replace(month=3)
    job = job_on(model, store, market())
    backfill(job, SPAN[0], SPAN[-1], later, lambda *_: None)
    assert_same_history(store, clean)
    assert verify(store, TABLES, CALENDAR).findings == ()
    if n > 1:  # the first write is the plan, with the time of issue in it
        assert store.objects == clean.objects


@pytest.mark.parametrize("n", [3, 9, 30, 77])
@pytest.mark.parametrize("after", [False, True])
def test_a_backfill_that_was_killed_goes_on_to_the_same_end(
    model: Model, clean: MemoryObjects, n: int, after: bool
) -> None:
    died = MemoryObjects(**{"crash_after" if after else "crash_before": n})
    with pytest.raises(Crash):
        backfilled(model, SPAN[0], SPAN[-1], store=died)
    store = MemoryObjects(died.objects)
    assert_no_hole(store)
    backfill(
        job_on(model, store, market()),
        SPAN[0],
        SPAN[-1],
        LONG_AFTER.replace(month=3),
        lambda *_: None,
    )
    assert store.objects == clean.objects
    assert verify(store, TABLES, CALENDAR).findings == ()


def test_an_interrupt_leaves_whole_sessions_and_goes_on(model: Model, clean: MemoryObjects) -> None:
    store = MemoryObjects()

    def interrupt(done: int, _: int) -> None:
        if done == 6:
            raise KeyboardInterrupt

    job = job_on(model, store, market())
    with pytest.raises(KeyboardInterrupt):
        backfill(job, SPAN[0], SPAN[-1], LONG_AFTER, interrupt)
    assert len(store.keys("runs/")) == 6
    assert_no_hole(store)
    backfilled(model, SPAN[0], SPAN[-1], store=store)
    assert store.objects == clean.objects


def test_a_later_backfill_leaves_no_hole_behind_an_interrupted_one(
    model: Model, clean: MemoryObjects
) -> None:
    store = MemoryObjects()

    def interrupt(done: int, _: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        backfill(job_on(model, store, market()), SPAN[0], SPAN[-1], LONG_AFTER, interrupt)
    with pytest.raises(RequestError, match=f"first session up to {SPAN[4]}, got {SPAN[5]}"):
        backfilled(model, SPAN[5], SPAN[-1], store=store)
    assert len(store.keys("runs/")) == 4
    backfilled(model, SPAN[4], SPAN[-1], store=store)
    assert store.objects == clean.objects


def test_other_bars_than_an_interrupted_backfill_had_are_refused(model: Model) -> None:
    died = MemoryObjects(crash_after=30)
    with pytest.raises(Crash):
        backfilled(model, SPAN[0], SPAN[-1], store=died)
    store = MemoryObjects(died.objects)
    other = {ticker: raw_bars(ticker, 420, session=DAYS, seed=8) for ticker in TICKERS}
    with pytest.raises(ForecasterError, match="expected bars of sha256"):
        backfilled(model, SPAN[0], SPAN[-1], bars=other, store=store)
    assert_no_hole(store)


SPLIT = len(SESSIONS) - 8


def test_each_vintage_has_prices_as_they_were_quoted_before_a_later_split(
    model: Model, clean: MemoryObjects
) -> None:
    # Bars given today are adjusted for every split: to the days before, two shares were one.
    split = market(QQQ=with_column(market()["QQQ"], "split", SPLIT, 2.0))
    store = backfilled(model, SPAN[0], SPAN[-1], bars=split)
    rows, plain = table(store, "forecasts"), table(clean, "forecasts")
    assert set(rows["status"]) == {"ok"}
    before = (rows["ticker"] == "QQQ") & (rows["origin_date"] < DAYS[SPLIT])
    assert (before.sum(), (~before).sum()) == (2 * 5, 18 * 5)
    factor = np.where(before, 2.0, 1.0)
    np.testing.assert_allclose(rows["last_close"], plain["last_close"] * factor, rtol=5e-9)
    np.testing.assert_allclose(rows["upper_95"], plain["upper_95"] * factor, rtol=1e-5)
    ours, theirs = table(store, "scores"), table(clean, "scores")
    np.testing.assert_allclose(ours["realised_return"], theirs["realised_return"], atol=1e-8)
    for session in (SPAN[0], SPAN[1], SPAN[2], SPAN[-1]):
        assert all(one.equal for one in replay(store, TABLES, CALENDAR, session))


def test_a_split_of_one_ticker_costs_the_others_nothing(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, ...]] = []
    direct = DirectForecaster.forecast

    def listen(self: DirectForecaster, bars: Sequence[Bars], vix: RawBars | None) -> Forecast:
        asked.append(tuple(of.ticker for of in bars))
        return direct(self, bars, vix)

    monkeypatch.setattr(DirectForecaster, "forecast", listen)
    split = market(SPY=with_column(market()["SPY"], "split", SPLIT, 2.0))
    store = backfilled(model, SPAN[0], SPAN[-1], bars=split)
    assert set(asked) == {("SPY",)}
    rows = table(store, "forecasts")
    assert rows["ticker"][:10].tolist() == ["SPY"] * 5 + ["QQQ"] * 5


def test_the_mode_alone_tells_a_backfill_from_live_in_the_view(model: Model) -> None:
    store = backfilled(model, SPAN[0], SPAN[-1])
    run_day(model, store, SPAN[-1], market())
    view = msgspec.json.decode(store.objects["track_record.json"])
    assert list(view["modes"]) == ["backfill"]
