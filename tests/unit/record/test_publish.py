"""What is published can be: other output is withheld, and touches no other ticker or day."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from pipeline.forecasting.bundle import ModelBundle
from pipeline.forecasting.forecast import MAX_LOG_RETURN
from pipeline.forecasting.model import Model, Prediction
from pipeline.forecasting.windows import Windows
from pipeline.jobs.verify import verify
from tests.support.fakes import MemoryObjects
from tests.support.records import (
    CALENDAR,
    SESSIONS,
    TABLES,
    market,
    run_day,
    run_days,
    table,
    with_column,
)

Poison = Callable[[np.ndarray, np.ndarray], None]


class Poisoned:
    """A model that answers nonsense of the second window."""

    def __init__(self, model: Model, poison: Poison) -> None:
        self._model, self._poison = model, poison

    @property
    def bundle(self) -> ModelBundle:
        return self._model.bundle

    @property
    def manifest(self) -> object:
        return self._model.manifest

    def predict(self, windows: Windows) -> Prediction:
        prediction = self._model.predict(windows)
        quantiles, sigma = prediction.log_return_quantiles.copy(), prediction.sigma.copy()
        self._poison(quantiles[1], sigma[1])
        return replace(prediction, log_return_quantiles=quantiles, sigma=sigma)


def fill(index: object, value: float, *, of_sigma: bool = False) -> Poison:
    def poison(quantiles: np.ndarray, sigma: np.ndarray) -> None:
        (sigma if of_sigma else quantiles)[index] = value

    return poison


def cross(quantiles: np.ndarray, sigma: np.ndarray) -> None:
    quantiles[4, 3] = quantiles[4, 2] - 1e-6


POISONS: dict[str, tuple[Poison, str]] = {
    "nan": (fill((0, 0), np.nan), "non_finite_output"),
    "infinite sigma": (fill(2, np.inf, of_sigma=True), "non_finite_output"),
    "huge": (fill((0, 10), 1e30), "implausible_output"),
    "a factor of 21 below": (fill((0, 0), -MAX_LOG_RETURN - 0.01), "implausible_output"),
    "a negative sigma": (fill(0, -0.01, of_sigma=True), "implausible_output"),
    "no sigma": (fill(4, 0.0, of_sigma=True), "implausible_output"),
}


@pytest.mark.parametrize("name", POISONS)
def test_output_that_cannot_be_is_withheld_and_spoils_no_other_ticker_or_day(
    model: Model, name: str
) -> None:
    poison, reason = POISONS[name]
    store = MemoryObjects()
    summary = run_day(Poisoned(model, poison), store, SESSIONS[-4], market())  # type: ignore[arg-type]
    assert (summary.published, summary.withheld) == (("SPY",), {"QQQ": reason})
    columns = table(store, "forecasts")
    assert np.isfinite(columns["lower_98"][columns["ticker"] == "SPY"]).all()
    run_days(model, SESSIONS[-3:], store=store)
    # Made again, the bundle gives no poison: of that day alone the record is otherwise.
    findings = verify(store, TABLES, CALENDAR).findings
    assert {finding.session for finding in findings} == {str(SESSIONS[-4])}


def test_quantiles_that_cross_are_published_in_order(model: Model) -> None:
    store = MemoryObjects()
    run_day(Poisoned(model, cross), store, SESSIONS[-4], market())  # type: ignore[arg-type]
    rows = table(store, "forecasts")
    sides = [*(f"lower_{c}" for c in (98, 95, 90, 80, 50)), "prediction"]
    sides += [f"upper_{c}" for c in (50, 80, 90, 95, 98)]
    assert (np.diff([rows[name] for name in sides], axis=0) >= 0).all()


@pytest.mark.parametrize("column", ["open", "high", "low", "close"])
@pytest.mark.parametrize("price", [1.79e308, 1e300, 5e-324])
def test_a_price_near_the_end_of_all_numbers_stops_no_run(
    model: Model, column: str, price: float
) -> None:
    poisoned = market(QQQ=with_column(market()["QQQ"], column, -4, price))
    store = run_days(model, SESSIONS[-6:], bars=poisoned)
    rows = table(store, "forecasts")
    for name in ("prediction", "lower_98", "upper_98", "sigma"):
        assert np.isfinite(rows[name][rows["status"] == "ok"]).all()
    assert set(rows["status"][rows["ticker"] == "SPY"]) == {"ok"}
    for name in ("scores", "baselines"):
        for column_name, values in table(store, name).items():
            if values.dtype == np.float64 and name == "scores":
                assert np.isfinite(values).all(), column_name


@pytest.mark.parametrize("price", [1.7e308, 1e300, 1e-300, 5e-324])
def test_a_ticker_of_such_prices_from_its_first_day_stops_no_run(
    model: Model, price: float
) -> None:
    flat = {name: np.full(420, price) for name in ("open", "high", "low", "close")}
    store = run_days(model, SESSIONS[-3:], bars=market(QQQ=replace(market()["QQQ"], **flat)))
    rows = table(store, "forecasts")
    assert set(rows["status"][rows["ticker"] == "SPY"]) == {"ok"}
    for name in ("prediction", "lower_98", "upper_98"):
        assert np.isfinite(rows[name][rows["status"] == "ok"]).all()
