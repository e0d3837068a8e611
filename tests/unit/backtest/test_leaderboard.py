from __future__ import annotations

from datetime import date
from itertools import product

import msgspec
import numpy as np
import pytest

from pipeline.backtest.comparison import compare_proofs
from pipeline.backtest.findings import describe_findings
from pipeline.backtest.leaderboard import Leaderboard, summarise
from pipeline.backtest.score_cube import LOSSES
from pipeline.backtest.skill import coverage_p
from pipeline.backtest.text_tables import build_tables
from pipeline.bars import RawBars
from pipeline.cli.leaderboard_text import print_leaderboard
from pipeline.columns import Columns
from pipeline.encoding import to_json
from pipeline.errors import DataError
from pipeline.evaluation.significance import days_to_prove, diebold_mariano, hac_lags, kupiec
from pipeline.forecasting.levels import INTERVALS
from tests.support.builders import raw_bars, scores_table

SCALES = {"ewma": 1.5, "garch_t": 1.2, "forecaster": 1.0, "lstm": 1.05}
SCORES = scores_table(SCALES)
ORIGINS = np.unique(SCORES["origin_date"])
VIX = raw_bars("^VIX", 600)
BOARD = summarise(SCORES, VIX)


def where(table: Columns, **wanted: object) -> np.ndarray:
    return np.logical_and.reduce([table[name] == value for name, value in wanted.items()])


def only(table: Columns, rows: np.ndarray) -> Columns:
    return {name: column[rows] for name, column in table.items()}


def crps_by_day(table: Columns, model: str) -> np.ndarray:
    rows = where(table, model=model, horizon=1)
    days = table["origin_date"][rows]
    return np.array([table["crps"][rows][days == day].mean() for day in np.unique(days)])


def test_the_forecaster_comes_first_then_ours_then_baselines() -> None:
    assert BOARD.models == ("forecaster", "lstm", "garch_t", "ewma")


@pytest.mark.parametrize(("model", "horizon"), list(product(SCALES, (1, 5))))
def test_overall_scores_are_means_over_all_forecasts(model: str, horizon: int) -> None:
    rows = where(SCORES, model=model, horizon=horizon)
    row = BOARD.select_overall(model, horizon)
    assert row.forecasts == rows.sum() == 2 * row.days
    for name in LOSSES:
        assert getattr(row, name) == pytest.approx(SCORES[name][rows].mean())
    for coverage in INTERVALS:
        assert row.coverage[coverage] == pytest.approx(SCORES[f"covered_{coverage}"][rows].mean())


def test_ratios_are_to_garch() -> None:
    for row in BOARD.rows:
        theirs = next(
            other
            for other in BOARD.select(row.cut, row.horizon, "garch_t")
            if other.value == row.value
        )
        assert row.ratios == {
            name: pytest.approx(getattr(row, name) / getattr(theirs, name)) for name in LOSSES
        }


def test_every_ticker_and_calendar_year_is_a_cut() -> None:
    for row in BOARD.select("ticker", 1, "lstm"):
        rows = where(SCORES, model="lstm", horizon=1, ticker=row.value)
        assert row.crps == pytest.approx(SCORES["crps"][rows].mean())
    years = SCORES["origin_date"].astype("datetime64[Y]").astype(str)
    for row in BOARD.select("year", 1, "lstm"):
        rows = where(SCORES | {"year": years}, model="lstm", horizon=1, year=row.value)
        assert row.crps == pytest.approx(SCORES["crps"][rows].mean())
    assert [row.value for row in BOARD.select("year", 1, "lstm")] == sorted(set(years))


def test_the_years_that_confirm_stand_apart_from_those_chosen_on() -> None:
    chosen = SCORES["origin_date"] < np.datetime64("2023-01-01")
    earlier = np.where(chosen, SCORES["origin_date"] - 365 * 6, SCORES["origin_date"])
    board = summarise(SCORES | {"origin_date": earlier.astype("datetime64[D]")})
    rows = {row.value: row for row in board.select("period", 1, "forecaster")}
    assert list(rows) == ["to 2018", "from 2019"]
    for row, part in zip(rows.values(), (chosen, ~chosen), strict=True):
        wanted = where(SCORES, model="forecaster", horizon=1) & part
        assert row.crps == pytest.approx(SCORES["crps"][wanted].mean())
    confirmed = rows["from 2019"]
    t = confirmed.against["garch_t"]["crps"].t
    assert board.days_to_prove["garch_t"] == days_to_prove(t, confirmed.days)


def test_terciles_of_the_vix_hold_a_third_of_the_origins_each() -> None:
    rows = BOARD.select("vix", 1, "forecaster")
    assert [row.value for row in rows] == ["low", "middle", "high"]
    assert max(row.days for row in rows) - min(row.days for row in rows) <= 1
    low, _ = BOARD.vix_limits or (0, 0)
    calm = VIX.session[VIX.close < low]
    inside = where(SCORES, model="forecaster", horizon=1) & np.isin(SCORES["origin_date"], calm)
    assert rows[0].crps == pytest.approx(SCORES["crps"][inside].mean())


def test_origins_without_a_vix_are_in_no_tercile() -> None:
    half = summarise(SCORES, VIX.tail(300))
    assert sum(row.days for row in half.select("vix", 1, "forecaster")) == 299
    assert half.select_overall("forecaster").days == 599


@pytest.mark.parametrize("vix", [None, VIX.since(date(2030, 1, 1))])
def test_without_a_vix_there_is_no_such_cut(vix: RawBars | None) -> None:
    board = summarise(SCORES, vix)
    assert board.vix_limits is None
    assert board.select("vix") == []


def test_forecasts_that_some_model_did_not_make_are_left_out_of_all() -> None:
    first = where(SCORES, model="ewma", ticker="SPY") & (SCORES["origin_date"] == ORIGINS[0])
    board = summarise(only(SCORES, ~first))
    assert board.left_out == 5
    assert {row.forecasts for row in board.select("all")} == {2 * 599 - 1}
    assert {row.days for row in board.select("all")} == {599}


def test_a_score_that_is_nan_is_no_forecast() -> None:
    crps = SCORES["crps"].copy()
    crps[where(SCORES, model="garch_t", horizon=1) & (SCORES["origin_date"] == ORIGINS[3])] = np.nan
    board = summarise(SCORES | {"crps": crps})
    assert board.left_out == 2
    assert board.select_overall("forecaster").days == 598


def test_a_score_twice_is_refused() -> None:
    twice = np.r_[np.arange(len(SCORES["crps"])), 7]
    with pytest.raises(DataError, match="expected one score per model, ticker, origin and horizon"):
        summarise(only(SCORES, twice))


def test_nothing_to_compare_is_refused() -> None:
    with pytest.raises(DataError, match="expected scored forecasts, got none"):
        summarise(only(SCORES, np.zeros(len(SCORES["crps"]), bool)))
    apart = (SCORES["model"] == "ewma") == (SCORES["ticker"] == "SPY")
    with pytest.raises(DataError, match="expected a forecast that every model made, got none"):
        summarise(only(SCORES, apart & np.isin(SCORES["model"], ["ewma", "lstm"])))


def test_differences_are_diebold_mariano_of_the_mean_over_tickers_of_a_day() -> None:
    every_other = ~(where(SCORES, ticker="SPY") & np.isin(SCORES["origin_date"], ORIGINS[::2]))
    some = only(SCORES, every_other)
    losses = crps_by_day(some, "forecaster"), crps_by_day(some, "garch_t")
    came = summarise(some).select_overall("forecaster").against["garch_t"]["crps"]
    assert (came.t, came.p) == pytest.approx(diebold_mariano(*losses, lags=hac_lags(599, 1)))
    assert came.t < -3


def test_the_forecaster_meets_every_model_and_others_the_reference() -> None:
    met = {row.model: set(row.against) for row in BOARD.select("all")}
    assert met == {
        "forecaster": {"lstm", "garch_t", "ewma"},
        "lstm": {"garch_t"},
        "garch_t": set(),
        "ewma": {"garch_t"},
    }


def test_models_that_do_not_differ_have_no_difference() -> None:
    board = summarise(scores_table({"forecaster": 1.0, "garch_t": 1.0}))
    assert board.select_overall("forecaster").against == {"garch_t": {}}
    assert board.days_to_prove == {}


def test_lags_reach_over_all_overlapping_targets() -> None:
    assert all(hac_lags(n, horizon) >= 2 * horizon for n in (30, 250, 4000) for horizon in (1, 5))
    assert hac_lags(4000, 1) > hac_lags(250, 1)


def test_a_pooled_p_value_is_the_smallest_times_the_number_of_series() -> None:
    random = np.random.default_rng(5)
    hits = (random.random((2, 400)) < [[0.95], [0.90]]).astype(float)
    alone = [kupiec(row > 0, 0.95).p for row in hits]
    everywhere = np.ones(hits.shape, bool)
    assert coverage_p(kupiec, hits, everywhere, 1, 0.95) == pytest.approx(2 * min(alone))
    halves = [kupiec(row[start::2] > 0, 0.95).p for row in hits for start in (0, 1)]
    assert coverage_p(kupiec, hits, everywhere, 2, 0.95) == pytest.approx(4 * min(halves))
    assert coverage_p(kupiec, hits[:, :20], everywhere[:, :20], 1, 0.95) is None


def test_days_to_prove_is_the_sample_size_of_a_one_sided_z_test() -> None:
    assert days_to_prove(-(1.6449 + 0.8416), 1000) == 1000
    assert days_to_prove(-2 * (1.6449 + 0.8416), 1000) == 250
    assert days_to_prove(0.3, 1000) is None


def test_that_many_days_prove_the_skill_four_times_in_five() -> None:
    random = np.random.default_rng(2)
    n = days_to_prove(-0.05 * np.sqrt(1000), 1000)
    found = [random.normal(-0.05, 1.0, n).mean() * np.sqrt(n) < -1.6449 for _ in range(2000)]
    assert np.mean(found) == pytest.approx(0.8, abs=0.03)


def test_r2_of_the_price_level_stands_beside_that_of_persistence() -> None:
    halfway = SCORES | {"error": SCORES["realised_return"] / 2}
    rows = where(halfway, model="lstm", ticker="SPY", horizon=1)
    close, realised = halfway["realised_close"][rows], halfway["realised_return"][rows]
    one = next(
        level
        for level in summarise(halfway).price_levels
        if (level.ticker, level.model, level.horizon) == ("SPY", "lstm", 1)
    )
    before = close / np.exp(realised)
    for r2, predicted in (
        (one.r2_price_persistence, before),
        (one.r2_price, before * np.exp(realised / 2)),
    ):
        missed, total = ((close - to) ** 2 for to in (predicted, close.mean()))
        assert r2 == pytest.approx(1 - missed.sum() / total.sum())
    assert one.always_up_right == pytest.approx((realised > 0).mean())
    assert one.sign_right == 1.0
    assert one.r2_return == pytest.approx(0.75)


def test_a_median_of_no_change_is_persistence_and_never_right_about_the_sign() -> None:
    one = BOARD.price_levels[0]
    assert one.r2_price == pytest.approx(one.r2_price_persistence)
    assert one.r2_return == pytest.approx(0.0)
    assert one.sign_right == 0.0


def test_baselines_have_no_row_of_price_levels() -> None:
    assert {one.model for one in BOARD.price_levels} == {"forecaster", "lstm"}


def test_a_leaderboard_survives_json() -> None:
    assert msgspec.json.decode(to_json(BOARD), type=Leaderboard) == BOARD


def test_without_the_reference_there_are_scores_and_no_ratios() -> None:
    board = summarise(only(SCORES, SCORES["model"] == "forecaster"))
    assert board.select_overall("forecaster").ratios == {}
    assert "units of log return" in build_tables(board)[0].note


@pytest.mark.parametrize("table", build_tables(BOARD), ids=lambda table: table.title)
def test_tables_are_full(table: object) -> None:
    assert {len(row) for row in table.rows} == {len(table.columns)}  # type: ignore[attr-defined]


def test_a_terminal_shows_every_cut_and_how_long_a_record_must_be(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_leaderboard(BOARD)
    shown = capsys.readouterr().out
    for text in (
        "Horizon 1, pooled over SPY, QQQ",
        "Horizon 5, pooled over SPY, QQQ",
        "Forecaster by ETF, horizon 1",
        "Forecaster by calendar year, horizon 1",
        "Forecaster by tercile of the VIX, horizon 1",
        "Forecaster by horizon",
        "R2 of the price level says nothing",
        f"Against GARCH(1,1)-t: {BOARD.days_to_prove['garch_t']} days",
    ):
        assert text in shown


def test_what_the_online_calibrator_keeps_is_said_beside() -> None:
    board = summarise(scores_table({"forecaster": 0.8, "forecaster_calibrated": 1.0}))
    plain, calibrated = list(describe_findings(board))[-2:]
    assert plain.startswith("Every interval of every ETF covers what it promises within ")
    assert calibrated.startswith("With the online calibrator on top: Every interval of every ETF")
    off = [float(line.partition("within ")[2].split()[0]) for line in (plain, calibrated)]
    assert off[1] < 3 < off[0]


def test_two_leaderboards_stand_side_by_side() -> None:
    current = {"crps_ratio_vs_garch_t": 0.97, "coverage_95": 0.95, "coverage_95_SPY": 0.94}
    new = {"crps_ratio_vs_garch_t": 0.98, "coverage_95": 0.949, "coverage_95_QQQ": 0.961}
    table = compare_proofs(current, new)
    assert table.columns == (
        "Metric",
        *(f"{name}\n{which}" for name in ("all", "SPY", "QQQ") for which in ("current", "new")),
    )
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows["CRPS"] == ("0.970", "0.980", "", "", "", "")
    assert rows["Coverage 95 %"] == ("95.0", "94.9", "94.0", "", "", "96.1")
    assert {len(row) for row in table.rows} == {len(table.columns)}
