"""Rows of a table over a span of sessions, as a person asks for them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

import numpy as np
import pytest

from pipeline.columns import Columns
from pipeline.errors import StoreError
from pipeline.forecasting.model import Model
from pipeline.record.manifest import Mode
from pipeline.views.rows import NAMES, Selection, read_rows
from tests.support.fakes import MemoryObjects
from tests.support.records import SESSIONS, TABLES, backfilled, market, run_day, run_days, scaled

SPAN = SESSIONS[-6:]
EVERY = tuple(Mode)


@pytest.fixture(scope="module")
def objects(model: Model) -> Mapping[str, bytes]:
    """Three sessions of a backfill and three live ones, the last in two parts."""
    store = run_days(model, SPAN[3:5], store=backfilled(model, SPAN[0], SPAN[2]))
    run_day(model, store, SPAN[5], {"SPY": market()["SPY"]})
    run_day(model, store, SPAN[5], market())
    return store.objects


def read(objects: Mapping[str, bytes], name: str, **wanted: object) -> Columns:
    return read_rows(MemoryObjects(dict(objects)), TABLES, name, Selection(**wanted))  # type: ignore[arg-type]


def days(rows: Columns, column: str) -> list[date]:
    return np.unique(rows[column]).tolist()


def test_live_rows_alone_unless_others_are_asked_for(objects: Mapping[str, bytes]) -> None:
    assert days(read(objects, "forecasts"), "origin_date") == list(SPAN[3:])
    both = read(objects, "forecasts", modes=EVERY)
    assert days(both, "origin_date") == list(SPAN)
    assert set(both["mode"]) == {"backfill", "live"}
    assert set(read(objects, "baselines", modes=(Mode.BACKFILL,))["mode"]) == {"backfill"}


def test_a_span_is_of_origins_for_forecasts_and_of_targets_for_scores(
    objects: Mapping[str, bytes],
) -> None:
    span = {"first": SPAN[1], "last": SPAN[4], "modes": EVERY, "in_sample": True}
    assert days(read(objects, "forecasts", **span), "origin_date") == list(SPAN[1:5])
    scores = read(objects, "scores", **span)
    assert days(scores, "target_date") == list(SPAN[1:5])
    assert min(scores["origin_date"]) == np.datetime64(SPAN[0])


def test_tickers_and_horizons_are_those_asked_for(objects: Mapping[str, bytes]) -> None:
    rows = read(objects, "forecasts", tickers=["SPY"], horizons=[1, 5])
    assert set(zip(rows["ticker"], rows["horizon"].tolist(), strict=True)) == {
        ("SPY", 1),
        ("SPY", 5),
    }
    published = rows["status"] == "ok"
    assert len(rows["ticker"][published]) == 2 * 3


@pytest.mark.parametrize("name", NAMES)
def test_of_nothing_the_columns_are_there(objects: Mapping[str, bytes], name: str) -> None:
    some = read(objects, name, modes=EVERY, in_sample=True)
    none = read(objects, name, first=SPAN[-1] + timedelta(days=1))
    assert {n: column.dtype for n, column in none.items()} == {n: c.dtype for n, c in some.items()}
    assert len(none["ticker"]) == 0 < len(some["ticker"])


def test_of_a_corrected_score_the_newest_row_counts(model: Model) -> None:
    bars = market()
    at = np.flatnonzero(bars["SPY"].session == np.datetime64(SPAN[3]))[0]
    printed = bars | {"SPY": scaled(bars["SPY"], 1.02, slice(at, at + 1))}
    store = run_days(model, SPAN[:3])
    run_day(model, store, SPAN[3], printed)
    before = read(store.objects, "scores", tickers=["SPY"], horizons=[1], in_sample=True)
    run_day(model, store, SPAN[4], bars)
    after = read(store.objects, "scores", tickers=["SPY"], horizons=[1], in_sample=True)
    ours = [rows["target_date"] == np.datetime64(SPAN[3]) for rows in (before, after)]
    assert ours[0].sum() == ours[1].sum()
    for rows, of, close in ((before, ours[0], printed), (after, ours[1], bars)):
        assert rows["realised_close"][of] == pytest.approx(close["SPY"].close[at], rel=1e-8)


def test_scores_that_the_model_had_learnt_from_are_left_out_unless_asked_for(model: Model) -> None:
    store = backfilled(model, SPAN[0], SPAN[3])
    rows = read(store.objects, "scores", modes=EVERY, in_sample=True)
    kept = read(store.objects, "scores", modes=EVERY)
    assert len(kept["ticker"]) == (~rows["in_sample"]).sum()


def test_a_damaged_object_is_refused(objects: Mapping[str, bytes]) -> None:
    key = next(key for key in objects if key.startswith("forecasts/"))
    with pytest.raises(StoreError, match=key):
        read({**objects, key: b"PAR1"}, "forecasts", modes=EVERY)


def test_another_table_is_refused(objects: Mapping[str, bytes]) -> None:
    with pytest.raises(StoreError, match="expected a table of"):
        read(objects, "nonsense")
