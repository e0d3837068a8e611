"""The scenarios of a session are read from its parts' tables and put together."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from pipeline.bars import VIX
from pipeline.columns import Columns, take, where
from pipeline.errors import StoreError
from pipeline.forecasting.model import Model
from pipeline.jobs.views_check import check_views
from pipeline.record.keys import SCENARIOS
from pipeline.record.manifest import read_manifests
from pipeline.record.vintage import read_vintage
from pipeline.scenarios.cube_columns import read_cube
from pipeline.views import scenario_cubes
from pipeline.views.latest import build_latest
from pipeline.views.refresh import refresh_views
from pipeline.views.scenario_cubes import build_scenario_view, merge_cubes
from pipeline.views.scenario_view import parse_scenarios
from tests.support.fakes import MemoryObjects
from tests.support.records import SESSIONS, TABLES, market, run_days
from tests.support.scenarios import cube, rows

CUBE = cube(n=20)
CLOSES = dict(zip(CUBE.tickers, CUBE.last_close.tolist(), strict=True))


def test_rows_in_any_order_are_the_cube_that_they_were_made_of() -> None:
    table = rows(CUBE)
    shuffled = take(table, np.random.default_rng(1).permutation(len(table["ticker"])))
    read = read_cube(shuffled, CLOSES)
    assert read is not None
    assert np.array_equal(read.log_return, CUBE.log_return)
    assert (read.tickers, read.origin_date) == (CUBE.tickers, CUBE.origin_date)
    assert read.target_dates == CUBE.target_dates
    assert read.price == pytest.approx(CUBE.price)


def test_no_row_is_no_cube() -> None:
    assert read_cube(where(rows(CUBE), np.zeros(300, bool)), CLOSES) is None


TABLE = rows(CUBE)


@pytest.mark.parametrize(
    "table",
    [
        where(TABLE, np.arange(300) != 7),
        take(TABLE, [0, *range(299)]),
        {**TABLE, "origin_date": np.append(TABLE["origin_date"][:-1], np.datetime64("2024-12-26"))},
        {**TABLE, "horizon": TABLE["horizon"] + np.int32(1)},
        {**TABLE, "ticker": np.where(TABLE["ticker"] == "SPY", "XYZ", TABLE["ticker"])},
    ],
    ids=["missing", "twice", "two sessions", "horizons", "stranger"],
)
def test_a_table_that_is_not_whole_is_refused(table: Columns) -> None:
    with pytest.raises(StoreError, match="scenarios: expected "):
        read_cube(table, CLOSES)


def test_parts_are_merged_by_the_numbers_of_their_scenarios() -> None:
    first, second = cube(("QQQ", "SPY"), seed=1), cube(("DIA",), seed=2)
    merged = merge_cubes([first, second])
    assert merged.tickers == ("DIA", "QQQ", "SPY")
    assert np.array_equal(merged.log_return[:, 0], second.log_return[:, 0])
    assert np.array_equal(merged.log_return[:, 1:], first.log_return)
    assert merged.last_close.tolist() == [100.0, 100.0, 200.0]


@pytest.mark.parametrize(
    "changed", [{"origin_date": date(2024, 12, 26)}, {"log_return": cube(("A",), 9).log_return}]
)
def test_parts_that_do_not_belong_together_are_refused(changed: dict) -> None:
    with pytest.raises(StoreError, match="expected parts of one session alike"):
        merge_cubes([cube(("A",), 10), replace(cube(("B",), 10), **changed)])


def test_of_a_thousand_tickers_the_first_500_are_kept() -> None:
    names = tuple(f"T{k:03}" for k in range(600))
    assert merge_cubes([cube(names, n=2)]).tickers == names[:500]


def test_the_view_of_a_run_has_the_bars_of_its_windows_and_says_who_has_no_scenarios(
    model: Model,
) -> None:
    store = run_days(model, SESSIONS[-2:])
    shown = parse_scenarios(store.objects[SCENARIOS])
    assert shown.cube.origin_date == SESSIONS[-1]
    assert {*shown.cube.tickers, *shown.absent} == {"SPY", "QQQ"}
    (run,) = read_manifests(store, SESSIONS[-1])
    vintage = read_vintage(store, TABLES, run)
    for ticker in ("SPY", "QQQ"):
        assert shown.bars[ticker].close.tolist() == vintage.bars[ticker].close[-126:].tolist()
    assert shown.bars.keys() - {VIX} == {"SPY", "QQQ"}


def test_bars_are_kept_of_as_many_tickers_as_scenarios(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = tuple(f"T{number:02}" for number in range(14))
    store = run_days(model, SESSIONS[-1:], market(names), MemoryObjects(), tickers=names)
    assert parse_scenarios(store.objects[SCENARIOS]).bars.keys() == {*names}
    monkeypatch.setattr(scenario_cubes, "MOST_TICKERS", 13)
    refresh_views(store, TABLES)
    assert parse_scenarios(store.objects[SCENARIOS]).bars == {}


def test_a_view_that_is_damaged_is_named_by_verify_and_made_again(model: Model) -> None:
    store = run_days(model, SESSIONS[-2:])
    whole = store.objects[SCENARIOS]
    assert list(check_views(store, TABLES)) == []
    store.objects[SCENARIOS] = whole[:-4]
    assert [finding.key for finding in check_views(store, TABLES)] == [SCENARIOS]
    refresh_views(store, TABLES)
    assert store.objects[SCENARIOS] == whole


def test_a_vintage_that_is_damaged_leaves_the_bars_out_and_ends_nothing(model: Model) -> None:
    store = run_days(model, SESSIONS[-2:])
    latest = build_latest(store, TABLES, SESSIONS[-1])
    runs = read_manifests(store, SESSIONS[-1])
    store.objects[runs[0].table("bars")] = b"damaged"
    assert build_scenario_view(store, TABLES, latest, runs).bars == {}
