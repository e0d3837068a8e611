"""Scores on the record are those of the backtest, of what was published and never of less."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from pipeline.backtest.evaluate import score_quantiles
from pipeline.bars import PRICES, RawBars
from pipeline.baselines.full_history import persistence
from pipeline.forecasting.levels import LEVELS
from pipeline.forecasting.model import Model
from pipeline.grid import round_digits
from pipeline.record.scoring import recover_quantiles, score_realised, split_by_month
from tests.support.builders import bars
from tests.support.fakes import MemoryObjects
from tests.support.records import (
    DAYS,
    FORECAST,
    SESSIONS,
    TABLES,
    market,
    rows_by_key,
    run_day,
    run_days,
    scaled,
    scores_of,
    table,
    with_column,
)

# Quoted in cents, as prices are.
RAW = bars("SPY", 420, session=DAYS)
SPY = replace(RAW, **{name: getattr(RAW, name).round(2) for name in PRICES})
VERSION = "2000-01-03-learned"
FIRST, LAST = SESSIONS[-9], SESSIONS[-1]


def published(model: str = "persistence") -> dict[str, np.ndarray]:
    """Rows as they are published from the origins of ten sessions."""
    made = persistence(SPY, SESSIONS[-12])
    n, origins = len(made.origin_date), np.arange(len(DAYS) - 12, len(DAYS))
    calendar = np.r_[DAYS, np.busday_offset(DAYS[-1], np.arange(1, 6))]
    prices = SPY.close[-n:, None, None] * np.exp(made.log_return_quantiles)
    level = {"lower": (4, 3, 2, 1, 0), "upper": (6, 7, 8, 9, 10)}
    limits = {
        f"{side}_{coverage}": prices[..., at].ravel()
        for side, levels in level.items()
        for coverage, at in zip((50, 80, 90, 95, 98), levels, strict=True)
    }
    return {
        "ticker": np.full(5 * n, "SPY", object),
        "origin_date": np.repeat(made.origin_date, 5),
        "target_date": calendar[origins[:, None] + np.arange(1, 6)].ravel(),
        "horizon": np.tile(np.arange(1, 6, dtype=np.int32), n),
        "last_close": np.repeat(SPY.close[-n:], 5),
        "prediction": prices[..., 5].ravel(),
        **limits,
        "status": np.full(5 * n, "ok", object),
        "mode": np.full(5 * n, "live", object),
        "model": np.full(5 * n, model, object),
        "model_version": np.full(5 * n, VERSION, object),
    }


ISSUED = published()


def test_scores_equal_the_backtests_of_the_same_forecasts() -> None:
    made = persistence(SPY, SESSIONS[-12])
    expected = score_quantiles(
        SPY, made.origin_date, made.log_return_quantiles, "persistence", VERSION
    )
    found = score_realised(ISSUED, [SPY])
    assert found is not None
    of_record = {"mode", "in_sample", "lower_95", "upper_95"}
    assert set(found.scores) == set(expected) | of_record
    for name, column in expected.items():
        if column.dtype == np.float64:
            # Half a step of the grid, times 40 where an interval of 95 % is missed.
            np.testing.assert_allclose(
                found.scores[name], column, rtol=1e-9, atol=40 * 1e-10, err_msg=name
            )
        else:
            np.testing.assert_array_equal(found.scores[name], column, err_msg=name)


def test_scores_are_functions_of_the_published_columns_alone() -> None:
    """By hand from what a reader of the tables has, to the last digit published."""
    found = score_realised(ISSUED, [SPY])
    assert found is not None
    columns = [column.tolist() for column in found.issued.values()]
    rows = [dict(zip(found.issued, row, strict=True)) for row in zip(*columns, strict=True)]
    for at, row in enumerate(rows):
        score = {name: column[at] for name, column in found.scores.items()}
        names = [f"lower_{c}" for c in (98, 95, 90, 80, 50)]
        names += ["prediction", *(f"upper_{c}" for c in (50, 80, 90, 95, 98))]
        q = [round(math.log(row[name] / row["last_close"]), 10) for name in names]
        y = round(math.log(score["realised_close"] / row["last_close"]), 10)
        assert score["realised_return"] == y
        assert score["error"] == round(y - q[5], 10)
        pinball = [max(a * (y - x), (a - 1) * (y - x)) for a, x in zip(LEVELS, q, strict=True)]
        assert score["crps"] == round(2 * sum(pinball) / 11, 10)
        missed = max(q[1] - y, 0.0) + max(y - q[9], 0.0)
        assert score["interval_score_95"] == round(q[9] - q[1] + 2 / (1 - 0.95) * missed, 10)
        assert score["covered_95"] == (q[1] <= y <= q[9])


def test_a_row_says_how_it_was_issued_and_whether_it_proves_anything() -> None:
    """Learnt up to a day: of the origins before it the model knew what came, of that day not."""
    learnt = str(ISSUED["origin_date"][15])
    version = np.full(len(ISSUED["ticker"]), f"{learnt}-learned", object)
    version[::5] = f"{SESSIONS[-30]}-learned"
    mode = np.where(ISSUED["horizon"] == 1, "live", "backfill").astype(object)
    issued = ISSUED | {"model_version": version, "mode": mode}
    found = score_realised(issued, [SPY])
    assert found is not None
    origins = np.datetime_as_string(found.issued["origin_date"])
    trained = [v[:10] for v in found.issued["model_version"]]
    assert found.scores["in_sample"].tolist() == [
        until > origin for until, origin in zip(trained, origins, strict=True)
    ]
    assert 0 < found.scores["in_sample"].sum() < len(origins)
    for name in ("mode", "lower_95", "upper_95"):
        np.testing.assert_array_equal(found.scores[name], found.issued[name])
    inside = (found.scores["realised_close"] >= found.scores["lower_95"]) & (
        found.scores["realised_close"] <= found.scores["upper_95"]
    )
    np.testing.assert_array_equal(inside, found.scores["covered_95"])


def test_what_has_not_come_yet_is_not_scored() -> None:
    found = score_realised(ISSUED, [SPY])
    assert found is not None
    assert found.scores["target_date"].max() == DAYS[-1]
    assert len(found.scores["mode"]) == 12 * 5 - (1 + 2 + 3 + 4 + 5)
    assert score_realised(found.issued, [replace_last(SPY, 20)]) is None


def replace_last(raw: RawBars, n: int) -> RawBars:
    return raw.rows(slice(None, -n))


def test_rows_that_were_withheld_are_never_scored() -> None:
    status = ISSUED["status"].copy()
    status[::2] = "withheld:stale"
    found = score_realised(ISSUED | {"status": status}, [SPY])
    assert found is not None
    assert set(found.issued["status"]) == {"ok"}
    assert len(found.scores["mode"]) < 45


def test_published_quantiles_come_back() -> None:
    made = persistence(SPY, SESSIONS[-12]).log_return_quantiles.reshape(-1, 11)
    np.testing.assert_allclose(recover_quantiles(ISSUED), made, rtol=0, atol=5.01e-11)


def test_revised_closes_of_the_origin_change_no_score() -> None:
    found = score_realised(ISSUED, [SPY])
    # All closes but those of targets within the span are revised.
    close = SPY.close.copy()
    close[:-11] *= 1.004
    revised = score_realised(ISSUED, [replace(SPY, close=close, high=close * 2)])
    assert found is not None
    assert revised is not None
    for name, column in found.scores.items():
        np.testing.assert_array_equal(revised.scores[name], column, err_msg=name)


def test_a_split_between_origin_and_target_changes_no_score() -> None:
    found = score_realised(ISSUED, [SPY])
    prices = {name: getattr(SPY, name) / 2.0 for name in PRICES}
    restated = with_column(replace(SPY, **prices), "split", -5, 2.0)
    # Origins up to the one before the split were quoted in old shares, later ones in new ones.
    last_close = ISSUED["last_close"].copy()
    new = ISSUED["origin_date"] >= DAYS[-5]
    halved = {
        name: np.where(new, column / 2.0, column)
        for name, column in ISSUED.items()
        if name in {"last_close", "prediction"} or name.startswith(("lower", "upper"))
    }
    after = score_realised(ISSUED | halved, [restated])
    assert found is not None
    assert after is not None
    assert (last_close != halved["last_close"]).sum() == 25
    np.testing.assert_array_equal(after.scores["target_date"], found.scores["target_date"])
    for name in ("realised_return", "crps", "pit", "covered_95"):
        np.testing.assert_allclose(after.scores[name], found.scores[name], rtol=1e-12, err_msg=name)


@pytest.mark.parametrize(("lower", "upper"), [(1.0, 2.0), (0.5, 1.0), (1.0, 1.0)])
def test_a_close_on_an_end_of_its_interval_is_inside(lower: float, upper: float) -> None:
    first = score_realised(ISSUED, [SPY])
    assert first is not None
    close = first.scores["realised_close"]
    ends = {"lower_95": lower * close, "upper_95": upper * close}
    found = score_realised(first.issued | ends, [SPY])
    assert found is not None
    assert found.scores["covered_95"].all()
    width = np.full(len(close), np.log(upper / lower))
    np.testing.assert_allclose(found.scores["interval_score_95"], width, rtol=1e-9, atol=1e-15)


def test_scores_lie_in_the_month_of_their_targets() -> None:
    found = score_realised(ISSUED, [SPY])
    assert found is not None
    shifted = found.scores["target_date"] + np.timedelta64(12, "D")
    parts = split_by_month(found.scores | {"target_date": shifted})
    assert list(parts) == ["2024-12", "2025-01"]
    assert sum(len(part["ticker"]) for part in parts.values()) == 45
    for month, part in parts.items():
        assert set(part["target_date"].astype("datetime64[M]").astype(str)) == {month}


@pytest.fixture(scope="module")
def record(model: Model) -> MemoryObjects:
    return run_days(model, SESSIONS[-9:])


def test_the_record_scores_what_it_published_of_every_model(record: MemoryObjects) -> None:
    ours = table(record, "forecasts")
    ours = dict(ours) | {"model": np.full(len(ours["ticker"]), "forecaster", object)}
    both = rows_by_key(ours, *FORECAST) | rows_by_key(table(record, "baselines"), *FORECAST)
    scores = scores_of(record)
    due = {at for at, row in both.items() if row["target_date"] <= LAST}
    assert set(scores) == due
    closes = dict(zip(SESSIONS, market()["SPY"].close.tolist(), strict=True))
    for (ticker, *_), row in scores.items():
        if ticker == "SPY":
            assert row["realised_close"] == round_digits(closes[row["target_date"]])
            ratio = closes[row["target_date"]] / closes[row["origin_date"]]
            assert row["realised_return"] == pytest.approx(np.log(ratio), abs=3e-9)


def test_a_catch_up_over_the_end_of_a_month_writes_a_file_for_each(model: Model) -> None:
    november = [day for day in SESSIONS if day < date(2024, 12, 1)][-2:]
    later = date(2024, 12, 4)
    store = run_days(model, [november[0], later])
    assert store.keys("scores/") == [
        f"scores/month=2024-11/{later}.00.parquet",
        f"scores/month=2024-12/{later}.00.parquet",
    ]
    rows = {
        key: TABLES.decode("scores", store.objects[key])[0]["target_date"].tolist()
        for key in store.keys("scores/")
    }
    assert {(key[13:20], f"{day:%Y-%m}") for key, days in rows.items() for day in days} == {
        ("2024-11", "2024-11"),
        ("2024-12", "2024-12"),
    }


def test_a_ticker_that_is_withheld_today_is_scored_when_it_is_back(model: Model) -> None:
    store = run_days(model, SESSIONS[-9:-3])
    run_day(model, store, SESSIONS[-3], {"SPY": market()["SPY"]})
    today = {at for at, row in scores_of(store).items() if row["target_date"] == SESSIONS[-3]}
    assert {ticker for ticker, *_ in today} == {"SPY"}
    run_day(model, store, SESSIONS[-2], market())
    back = {at for at, row in scores_of(store).items() if row["target_date"] == SESSIONS[-3]}
    assert {ticker for ticker, *_ in back} == {"SPY", "QQQ"}


def test_a_later_part_scores_the_tickers_it_brings(model: Model) -> None:
    store = run_days(model, SESSIONS[-9:-3])
    run_day(model, store, SESSIONS[-3], {"SPY": market()["SPY"]})
    run_day(model, store, SESSIONS[-3], market())
    whole = run_days(model, SESSIONS[-9:-2])
    assert scores_of(store) == scores_of(whole)


def test_a_price_revised_within_rounding_does_not_change_what_was_published(model: Model) -> None:
    store = run_days(model, SESSIONS[-9:-3])
    before = scores_of(store)
    revised = market(SPY=scaled(market()["SPY"], 1.003, slice(None, -3)))
    run_day(model, store, SESSIONS[-3], revised)
    after = scores_of(store)
    assert {at: after[at] for at in before} == before
    clean = scores_of(run_days(model, SESSIONS[-9:-2]))
    assert {at: row["realised_return"] for at, row in after.items()} == {
        at: row["realised_return"] for at, row in clean.items()
    }
