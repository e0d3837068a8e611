"""Scenarios of a plausible market, as a cube, as the rows of their table and as a view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.bars import VIX, RawBars
from pipeline.scenarios.scenario_cube import ScenarioCube
from pipeline.views.scenario_view import ScenarioView
from tests.support.builders import raw_bars

ORIGIN = date(2024, 12, 27)
TARGETS = (
    date(2024, 12, 30), date(2024, 12, 31), date(2025, 1, 2), date(2025, 1, 3), date(2025, 1, 6),
)  # fmt: skip


def cube(
    tickers: Sequence[str] = ("IWM", "QQQ", "SPY"), n: int = 1000, *, seed: int = 3, **changed: Any
) -> ScenarioCube:
    """Return n scenarios of paths with a deviation of 1 % a session, correlated by .8."""
    random = np.random.default_rng(seed)
    shape = n, len(tickers), len(TARGETS)
    steps = 0.01 * (
        np.sqrt(0.8) * random.normal(size=(n, 1, shape[2]))
        + np.sqrt(0.2) * random.normal(size=shape)
    )
    values: dict[str, Any] = {
        "tickers": tuple(tickers),
        "origin_date": ORIGIN,
        "target_dates": TARGETS,
        "last_close": 100.0 * np.arange(1, len(tickers) + 1),
        "log_return": np.cumsum(steps, axis=2).astype(np.float32),
    }
    return ScenarioCube(**(values | changed))


def rows(of: ScenarioCube) -> dict[str, NDArray[Any]]:
    """Return the rows of the table `scenarios`."""
    n, k, h = of.log_return.shape
    numbers, tickers, horizons = (grid.ravel() for grid in np.indices((n, k, h)))
    size = n * k * h
    return {
        "scenario": numbers.astype(np.int32),
        "ticker": np.array(of.tickers, object)[tickers],
        "origin_date": np.full(size, of.origin_date, "datetime64[D]"),
        "target_date": np.array(of.target_dates, "datetime64[D]")[horizons],
        "horizon": (horizons + 1).astype(np.int32),
        "log_return": of.log_return.ravel(),
        "price": of.price.ravel().astype(np.float32),
        "mode": np.full(size, "live", object),
        "model_version": np.full(size, "made", object),
        "vintage_sha256": np.full(size, "ab" * 32, object),
    }


def window_bars(*tickers: str) -> dict[str, RawBars]:
    """Return the last 126 bars of each ticker, and the VIX's."""
    flat = {name: np.full(126, 16.0) for name in ("open", "high", "low", "close")}
    return {t: raw_bars(t).tail(126) for t in tickers} | {VIX: raw_bars(VIX, 126, **flat)}


def view(
    of: ScenarioCube | None = None,
    absent: Mapping[str, str] = {"DIA": "withheld:stale"},
    **changed: Any,
) -> ScenarioView:
    """Return a view: three tickers with scenarios and bars, one withheld."""
    shown = cube() if of is None else of
    values = {"bars": window_bars(*shown.tickers), "source": "made", "model_version": "made"}
    return ScenarioView(shown, absent=absent, **(values | changed))
