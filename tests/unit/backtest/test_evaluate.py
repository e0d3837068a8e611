"""The backtest scores what was forecast, on the days it was forecast for, and nothing else."""

from __future__ import annotations

from datetime import date

import msgspec
import numpy as np
import pytest

from pipeline.backtest.evaluate import (
    backtest,
    concatenate,
    score_baseline,
    score_bundle,
    score_quantiles,
)
from pipeline.backtest.fixed_baselines import build_fixed_baselines
from pipeline.backtest.history import MarketHistory
from pipeline.bars import Bars
from pipeline.baselines.fixed_window import issue_baselines, pool_parameters
from pipeline.baselines.full_history import LEVEL_GRID, OriginQuantiles, persistence
from pipeline.columns import Columns
from pipeline.errors import DataError, Reason
from pipeline.evaluation.scoring_rules import crps, interval_score, pit
from pipeline.forecasting.calibration import NEUTRAL
from pipeline.forecasting.features import FEATURE_NAMES
from pipeline.forecasting.forecast import forecast
from pipeline.forecasting.levels import INTERVALS
from pipeline.forecasting.model import Model, Prediction
from tests.support.builders import bars, raw_bars
from tests.support.two_models import renamed

SPY, QQQ = bars("SPY", 450), bars("QQQ", 450)
FIRST, LAST = date(2024, 6, 3), date(2024, 12, 27)
STORED = {"mu": 0.05, "omega": 0.02, "alpha[1]": 0.1, "beta[1]": 0.88, "nu": 6.0}


def quantiles(n: int) -> np.ndarray:
    """Quantiles of n origins and two horizons."""
    random = np.random.default_rng(5)
    return np.sort(random.normal(0, 0.01, (n, 2, 11)), axis=-1)


def assert_equal(came: Columns, expected: Columns) -> None:
    assert list(came) == list(expected)
    for name, column in came.items():
        np.testing.assert_array_equal(column, expected[name], err_msg=name, strict=True)


def test_a_row_says_what_was_forecast_and_what_came() -> None:
    made = quantiles(3)
    came = score_quantiles(SPY, SPY.session[100:103], made, "garch_t", "v1")
    row = 3  # the second origin at horizon 2
    of_row, realised = made[1, 1], float(np.log(SPY.close[103] / SPY.close[101]))
    low, high = of_row[1], of_row[9]
    assert {name: column[row] for name, column in came.items()} == {
        "ticker": "SPY",
        "origin_date": SPY.session[101],
        "target_date": SPY.session[103],
        "horizon": 2,
        "model": "garch_t",
        "realised_close": SPY.close[103],
        "realised_return": pytest.approx(realised),
        "error": pytest.approx(realised - of_row[5]),
        "pit": pytest.approx(np.interp(realised, of_row, LEVEL_GRID, left=0.005, right=0.995)),
        "crps": pytest.approx(crps(of_row[None], np.array([realised]), LEVEL_GRID)[0]),
        "interval_score_80": pytest.approx(
            interval_score(of_row[3:4], of_row[7:8], np.array([realised]), 0.8)[0]
        ),
        "interval_score_95": pytest.approx(
            interval_score(of_row[1:2], of_row[9:10], np.array([realised]), 0.95)[0]
        ),
        **{f"covered_{c}": of_row[i] <= realised <= of_row[j] for c, (i, j) in INTERVALS.items()},
        "model_version": "v1",
    }
    assert came["covered_95"][row] == (low <= realised <= high)
    assert came["horizon"].tolist() == [1, 2, 1, 2, 1, 2]


def test_a_target_after_the_last_bar_is_not_scored() -> None:
    came = score_quantiles(SPY, SPY.session[-3:], quantiles(3), "m", "v")
    assert came["origin_date"].tolist() == [*[SPY.session[-3].item()] * 2, SPY.session[-2].item()]
    assert came["target_date"].tolist()[1:] == [SPY.session[-1].item()] * 2


def test_a_forecast_that_is_not_finite_is_not_scored() -> None:
    made = quantiles(3)
    made[1, 0, 4] = np.nan
    came = score_quantiles(SPY, SPY.session[100:103], made, "m", "v")
    assert came["horizon"].tolist() == [1, 2, 2, 1, 2]
    assert all(np.isfinite(came[name]).all() for name in ("crps", "pit", "interval_score_95"))


def test_pit_of_many_rows_equals_the_interpolation_of_each() -> None:
    random = np.random.default_rng(1)
    made = np.sort(np.round(random.normal(size=(4000, 11)), 1), axis=1)
    realised = np.round(random.normal(size=4000), 1)
    each = [
        np.interp(y, q, LEVEL_GRID, left=LEVEL_GRID[0] / 2, right=(1 + LEVEL_GRID[-1]) / 2)
        for y, q in zip(realised, made, strict=True)
    ]
    came = pit(made, realised, LEVEL_GRID)
    np.testing.assert_allclose(came, each, rtol=1e-14)
    shaped = pit(made.reshape(40, 100, 11), realised.reshape(40, 100), LEVEL_GRID)
    np.testing.assert_array_equal(shaped.ravel(), came)


def test_one_pass_scores_what_the_daily_run_would_have_forecast(model: Model) -> None:
    came = backtest([SPY, QQQ], model, FIRST, LAST)
    for ticker, one in (("SPY", SPY), ("QQQ", QQQ)):
        rows = came["ticker"] == ticker
        origins = np.unique(came["origin_date"][rows])
        made = [forecast([one.as_of(day.item())], model, NEUTRAL) for day in origins[::20]]
        daily = np.concatenate([each.log_return_quantiles for each in made])
        version = model.manifest.model_version
        expected = score_quantiles(one, origins[::20], daily, "forecaster", version)
        kept = rows & np.isin(came["origin_date"], origins[::20])
        assert_equal({name: column[kept] for name, column in came.items()}, expected)


def test_every_origin_of_the_span_is_scored_and_no_other(model: Model) -> None:
    came = backtest([SPY], model, FIRST, date(2024, 12, 20))
    inside = (SPY.session >= np.datetime64(FIRST)) & (SPY.session <= np.datetime64("2024-12-20"))
    expected = np.repeat(SPY.session[inside], 5)
    np.testing.assert_array_equal(came["origin_date"], expected)


def test_origins_without_a_full_window_are_left_out(model: Model) -> None:
    came = backtest([SPY], model, date(1990, 1, 1), LAST)
    assert came["origin_date"][0] == SPY.session[125]


def test_bars_long_before_and_after_the_span_change_nothing(model: Model) -> None:
    span = date(2024, 6, 3), date(2024, 6, 28)
    around = Bars.validate(SPY.since(date(2023, 12, 1)).as_of(date(2024, 7, 5)))
    assert_equal(backtest([around], model, *span), backtest([SPY], model, *span))


def test_a_span_in_which_nothing_is_realised_is_refused(model: Model) -> None:
    with pytest.raises(DataError, match="SPY, QQQ: expected forecasts from 2024-12-27") as raised:
        backtest([SPY, QQQ], model, LAST, LAST)
    assert raised.value.reason is Reason.NOT_ENOUGH_HISTORY


def test_another_name_is_what_the_model_column_says(model: Model) -> None:
    came = backtest([SPY], model, FIRST, LAST, name="lstm")
    assert set(came["model"]) == {"lstm"}
    assert set(came["model_version"]) == {model.manifest.model_version}


def test_a_baseline_sees_no_bar_after_the_last_origin() -> None:
    seen: list[np.datetime64] = []

    def baseline(one: Bars, first: date) -> OriginQuantiles:
        seen.append(one.session[-1])
        return persistence(one, first)

    came = score_baseline([SPY, QQQ], baseline, FIRST, date(2024, 9, 30), "persistence")
    assert seen == [np.datetime64("2024-09-30")] * 2
    assert came["origin_date"].max() == np.datetime64("2024-09-30")
    assert came["target_date"].max() == np.datetime64("2024-10-07")


def test_garch_is_a_fixed_baseline_where_the_bundle_has_its_parameters(model: Model) -> None:
    manifest = msgspec.structs.replace(
        model.manifest, baselines={"garch_t": {"SPY": STORED}}, horizons=(1, 2, 3, 4, 5)
    )
    without = msgspec.structs.replace(manifest, baselines={})
    assert list(build_fixed_baselines(manifest)) == ["persistence", "ewma", "garch_t"]
    assert list(build_fixed_baselines(without)) == ["persistence", "ewma"]
    garch = build_fixed_baselines(manifest)["garch_t"]
    at_once = garch(SPY, FIRST)
    late = garch(Bars.validate(SPY.as_of(date(2024, 9, 30))), date(2024, 9, 30))
    row = int(np.searchsorted(at_once.origin_date, late.origin_date[0]))
    np.testing.assert_array_equal(at_once.origin_date, SPY.since(FIRST).session)
    np.testing.assert_array_equal(at_once.log_return_quantiles[row], late.log_return_quantiles[0])


def test_garch_of_a_ticker_that_the_bundle_does_not_know_is_that_of_a_daily_run(
    model: Model,
) -> None:
    manifest = msgspec.structs.replace(model.manifest, baselines={"garch_t": {"SPY": STORED}})
    garch = build_fixed_baselines(manifest)["garch_t"](QQQ, FIRST)
    np.testing.assert_array_equal(garch.origin_date, QQQ.since(FIRST).session)
    for row in (0, 7, -1):
        seen = QQQ.as_of(garch.origin_date[row].item()).close[-300:]
        daily = issue_baselines(np.log(seen)[None], pool_parameters({"SPY": STORED}))["garch_t"]
        np.testing.assert_allclose(garch.log_return_quantiles[row], daily.log_return[0], rtol=1e-9)


@pytest.mark.parametrize(("known", "calibrated"), [("SPY", False), ("AAPL", True)])
def test_a_ticker_that_the_bundle_does_not_know_is_scored_as_it_would_be_published_too(
    model: Model, known: str, *, calibrated: bool
) -> None:
    notes: list[str] = []
    bundle = renamed(model, date(2023, 12, 29), known)
    scores = score_bundle(bundle, MarketHistory((SPY,)), (FIRST, LAST), notes)
    models = set(scores["model"].tolist())
    assert ("forecaster_calibrated" in models) == calibrated
    assert "garch_t" in models
    assert ("garch_t of 1 tickers has the pooled parameters" in notes[0]) == calibrated
    if calibrated:
        ours, published = (
            scores["crps"][(scores["model"] == name) & (scores["horizon"] == 1)]
            for name in ("forecaster", "forecaster_calibrated")
        )
        assert ours[0] == published[0]  # gains begin neutral
        assert not np.isclose(ours, published)[1:].any()


def test_tables_are_joined_in_the_order_given() -> None:
    one, two = (
        score_quantiles(each, each.session[100:102], quantiles(2), "m", "v") for each in (SPY, QQQ)
    )
    joined = concatenate([two, one])
    assert joined["ticker"].tolist() == ["QQQ"] * 4 + ["SPY"] * 4
    assert joined["covered_95"].dtype == np.bool_


def test_the_vix_reaches_the_windows(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    windows: list[np.ndarray] = []
    predict = model.predict

    def spy(of_ticker: np.ndarray) -> Prediction:
        windows.append(of_ticker[:, -1, FEATURE_NAMES.index("log_vix")])
        return predict(of_ticker)

    monkeypatch.setattr(model, "predict", spy)
    vix = raw_bars("^VIX", 450, close=np.full(450, 30.0))
    backtest([SPY], model, FIRST, LAST, vix)
    backtest([SPY], model, FIRST, LAST)
    assert [set(each.tolist()) for each in windows] == [{float(np.float32(np.log(30.0)))}, {0.0}]
