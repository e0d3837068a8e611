"""Why an interval is wider: shares that add up to what was published."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.errors import RequestError
from pipeline.forecasting.attribution import CAUSES
from pipeline.forecasting.model import Model
from pipeline.jobs.explain import explain
from tests.support.fakes import MemoryObjects
from tests.support.records import SESSIONS, TABLES, market, run_day, run_days, table

SPAN = SESSIONS[-4:]


@pytest.fixture(scope="module")
def store(model: Model) -> MemoryObjects:
    return run_days(model, SPAN)


def published_width(store: MemoryObjects, ticker: str, session: object) -> float:
    """The log width of the log return's 95 % interval, from the prices in the table."""
    rows = table(store, "forecasts")
    (row,) = np.flatnonzero(
        (rows["ticker"] == ticker)
        & (rows["horizon"] == 1)
        & (rows["origin_date"] == np.datetime64(str(session)))
    )
    return float(np.log(np.log(rows["upper_95"][row] / rows["lower_95"][row])))


@pytest.mark.parametrize("ticker", ["SPY", "QQQ"])
def test_shares_add_up_to_the_change_of_what_was_published(
    store: MemoryObjects, ticker: str
) -> None:
    explained = explain(store, TABLES, ticker)
    change = explained.width_change
    assert (change.before, explained.session) == (SPAN[-2], SPAN[-1])
    assert list(change.causes) == list(CAUSES)
    assert sum(change.causes.values()) == pytest.approx(change.change, abs=1e-9)
    expected = published_width(store, ticker, SPAN[-1]) - published_width(store, ticker, SPAN[-2])
    # Published prices have nine digits.
    assert change.change == pytest.approx(expected, abs=1e-6)
    assert change.change != 0
    assert change.causes["calibration"] != 0


def test_the_one_before_is_the_last_that_was_published(model: Model) -> None:
    store = run_days(model, SPAN[:2])
    run_day(model, store, SPAN[2], {"QQQ": market()["QQQ"]})  # SPY is withheld
    run_days(model, SPAN[3:], store=store)
    explained = explain(store, TABLES, "SPY")
    change = explained.width_change
    assert (change.before, explained.session) == (SPAN[1], SPAN[3])
    expected = published_width(store, "SPY", SPAN[3]) - published_width(store, "SPY", SPAN[1])
    assert change.change == pytest.approx(expected, abs=1e-6)


def test_where_there_are_no_two_forecasts_there_is_nothing_to_explain(
    model: Model, store: MemoryObjects
) -> None:
    with pytest.raises(RequestError, match="XYZ: expected two published forecasts, found none"):
        explain(store, TABLES, "XYZ")
    once = run_days(model, SPAN[:1])
    with pytest.raises(RequestError, match=rf"found that of {SPAN[0]} alone"):
        explain(once, TABLES, "SPY")
    with pytest.raises(RequestError, match="found none"):
        explain(MemoryObjects(), TABLES, "SPY")
