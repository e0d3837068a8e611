"""Holes in a reading are filled from the record, and said; what the record lacks stays a hole."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import numpy as np
import pytest

from pipeline.bars import VIX, RawBars
from pipeline.errors import Reason
from pipeline.forecasting.model import Model
from pipeline.jobs.daily_summary import Outcome
from pipeline.jobs.remake_check import Sample
from pipeline.jobs.verify import Scope, verify
from pipeline.record.manifest import read_manifests
from pipeline.record.vintage import Vintage
from tests.support.builders import raw_bars
from tests.support.fakes import Crash, MemoryObjects
from tests.support.records import (
    CALENDAR,
    DAYS,
    SESSIONS,
    TABLES,
    evening,
    job_on,
    market,
    run,
    run_day,
    run_days,
    scaled,
    with_column,
    without,
)

LOST = SESSIONS[-20]
*_, FIRST, SECOND, THIRD, FOURTH = SESSIONS


def lacking(**others: RawBars) -> dict[str, RawBars]:
    return market(QQQ=without(market()["QQQ"], LOST), **others)


def rows_of(store: MemoryObjects, name: str, session: object) -> Mapping[str, list[object]]:
    key = f"{name}/month=2024-12/{session}.00.parquet"
    columns = TABLES.decode(name, store.objects[key])[0]
    return {c: v.tolist() for c, v in columns.items() if c not in ("vintage_sha256",)}


def test_days_without_a_bar_come_out_as_if_it_had_never_been_lost(model: Model) -> None:
    whole = run_days(model, SESSIONS[-4:])
    store = run_days(model, SESSIONS[-4:-3])
    for session in (SECOND, THIRD, FOURTH):
        summary = run_day(model, store, session, lacking())
        assert summary.outcome is Outcome.PUBLISHED
        assert summary.manifests[0].filled_bars == {"QQQ": (LOST,)}
        for name in ("forecasts", "baselines", "scores"):
            assert repr(rows_of(store, name, session)) == repr(rows_of(whole, name, session))
    found = verify(store, TABLES, CALENDAR, Scope(Sample(deep=True)))
    assert (found.findings, found.left_behind) == ((), ())


def test_the_stored_vintage_has_the_bar_and_says_where_it_is_not_from(model: Model) -> None:
    store = run_days(model, [FIRST])
    run_day(model, store, SECOND, lacking())
    key = f"bars/month=2024-12/{SECOND}.00.parquet"
    vintage = Vintage.decode(TABLES, store.objects[key])
    assert np.datetime64(LOST) in vintage.bars["QQQ"].session
    assert vintage.info.filled == {"QQQ": (LOST,)}


def test_a_record_without_holes_says_nothing_of_them(model: Model) -> None:
    store = run_days(model, [FIRST, SECOND])
    assert b"filled" not in store.objects[f"runs/{SECOND}.00.json"]
    vintage = store.objects[f"bars/month=2024-12/{SECOND}.00.parquet"]
    assert "filled" not in TABLES.decode("bars", vintage)[1]["read"]


def test_what_the_record_never_had_stays_missing(model: Model) -> None:
    store = run_days(model, [FIRST], lacking(SPY=market()["SPY"]))
    summary = run_day(model, store, SECOND, lacking())
    assert summary.withheld == {"QQQ": Reason.MISSING_SESSION}
    assert summary.manifests[0].filled_bars == {}


def test_without_a_record_a_hole_stays_missing(model: Model) -> None:
    summary = run_day(model, MemoryObjects(), SECOND, lacking())
    assert summary.withheld == {"QQQ": Reason.MISSING_SESSION}


def test_a_vintage_that_agrees_is_looked_for_further_back(model: Model) -> None:
    # On the second day the bars disagree for once, so that the vintage of that day has the hole.
    store = run_days(model, [FIRST])
    shaken = without(with_column(market()["QQQ"], "close", 390, 400.0), LOST)
    assert run_day(model, store, SECOND, market(QQQ=shaken)).withheld != {}
    summary = run_day(model, store, THIRD, lacking())
    assert summary.manifests[0].filled_bars == {"QQQ": (LOST,)}


def test_a_source_that_is_two_sessions_behind_is_not_helped_on(model: Model) -> None:
    store = run_days(model, [FIRST, SECOND])
    ended = {ticker: raw.as_of(FIRST) for ticker, raw in market().items()}
    summary = run_day(model, store, THIRD, ended)
    assert (summary.outcome, summary.data_lag_sessions) == (Outcome.INCOMPLETE, 2)
    assert set(summary.withheld.values()) == {Reason.STALE}


def test_a_covariate_is_filled_alike(model: Model) -> None:
    vix = scaled(raw_bars(VIX, len(DAYS), session=DAYS), 0.05)
    store = run_days(model, [FIRST], market() | {VIX: vix}, MemoryObjects())
    holed = market() | {VIX: with_column(vix, "close", 400, np.nan)}
    summary = run_day(model, store, SECOND, holed)
    assert summary.manifests[0].filled_bars == {VIX: (SESSIONS[400],)}


def test_a_later_part_fills_its_own_holes_and_names_no_others(model: Model) -> None:
    store = run_days(model, [FIRST])
    run_day(model, store, SECOND, {"SPY": without(market()["SPY"], LOST)})
    at = evening(SECOND) + timedelta(hours=2)
    summary = run(job_on(model, store, lacking()), at)
    assert [part.filled_bars for part in summary.manifests] == [{"SPY": (LOST,)}, {"QQQ": (LOST,)}]


def test_a_later_part_names_no_bars_of_who_is_still_withheld(model: Model) -> None:
    tickers = ("SPY", "QQQ", "DIA")
    store = run_days(model, [FIRST], market(tickers), MemoryObjects(), tickers=tickers)
    run_day(model, store, SECOND, {"SPY": market()["SPY"]}, tickers=tickers)
    holed = {ticker: without(raw, LOST) for ticker, raw in market(tickers).items()}
    holed["DIA"] = with_column(holed["DIA"], "low", 400, 1e9)
    summary = run_day(model, store, SECOND, holed, tickers=tickers)
    assert summary.published == ("QQQ",)
    assert summary.manifests[1].filled_bars == {"QQQ": (LOST,)}


@pytest.mark.parametrize("n", range(1, 9))
def test_a_run_that_dies_is_finished_to_the_same_bytes(model: Model, n: int) -> None:
    clean, store = run_days(model, [FIRST]), run_days(model, [FIRST])
    run_day(model, clean, SECOND, lacking())
    store.crash_after = store.writes + n
    with pytest.raises(Crash):
        run_day(model, store, SECOND, lacking())
    # Whoever comes next may find the bar back; what was read first stands.
    run(job_on(model, store, market()), evening(SECOND) + timedelta(hours=1))
    assert store.objects == clean.objects


def test_without_a_hole_no_older_vintage_than_the_one_before_is_read(model: Model) -> None:
    class Listening(MemoryObjects):
        asked = frozenset[str]()

        def read(self, key: str) -> bytes | None:
            self.asked |= {key}
            return super().read(key)

    store = Listening(run_days(model, SESSIONS[-6:-2]).objects)
    run_day(model, store, THIRD, lacking())
    vintages = {key for key in store.asked if key.startswith("bars/") and str(THIRD) not in key}
    assert len(vintages) == 1
    assert read_manifests(store, THIRD)[0].filled_bars == {"QQQ": (LOST,)}
