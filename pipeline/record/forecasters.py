"""Forecasters: what a part's forecasts and baselines come from, gains not applied."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from pipeline.bars import Bars, Floats, RawBars
from pipeline.baselines.fixed_window import (
    BASELINE_SESSIONS,
    LEAST_SESSIONS,
    Parameters,
    Quantiles,
    issue_baselines,
    pool_parameters,
)
from pipeline.baselines.names import GARCH_T
from pipeline.errors import DataError, InvalidBars, Reason
from pipeline.forecasting.bundle import Manifest, ModelBundle
from pipeline.forecasting.calibration import NEUTRAL
from pipeline.forecasting.first_gains import learn_first_gains, pool_log_gains
from pipeline.forecasting.forecast import Forecast, forecast
from pipeline.forecasting.models import Models
from pipeline.record.state import Gains, as_log_gains


@dataclass(frozen=True, slots=True)
class Baselines:
    """Ticker -> baseline -> its forecast from the last session, and why a ticker has none."""

    issued: Mapping[str, Mapping[str, Quantiles]]
    refused: Mapping[str, Reason]


class Forecaster(Protocol):
    """What forecasts from the bars of a vintage: made for it, or looked up in a long history."""

    @property
    def bundle(self) -> ModelBundle: ...

    def select_others(self, tickers: Iterable[str]) -> dict[str, ModelBundle]:
        """Return ticker -> bundle of the tickers that another than `bundle` serves."""

    def forecast(self, bars: Sequence[Bars], vix: RawBars | None) -> Forecast:
        """Return the forecast from the last session of each ticker, gains not applied."""

    def baselines(self, bars: Sequence[RawBars]) -> Baselines:
        """Return the baselines of each ticker, n = 1, or why its bars do not allow any."""

    def first_log_gains(self, bars: RawBars, vix: RawBars | None) -> Gains:
        """Return the log gains that a ticker starts with which another than `bundle` serves."""


class DirectForecaster:
    """Forecasts made from the bars given; what is learned of the same bars is learned once."""

    def __init__(self, models: Models) -> None:
        self._models = models
        self._learned: dict[str, tuple[RawBars, Gains]] = {}

    @property
    def bundle(self) -> ModelBundle:
        return self._models.main.bundle

    def select_others(self, tickers: Iterable[str]) -> dict[str, ModelBundle]:
        """Return ticker -> bundle of the tickers that another than `bundle` serves."""
        others = self._models.select_others(tickers)
        return {ticker: model.bundle for ticker, model in others.items()}

    def forecast(self, bars: Sequence[Bars], vix: RawBars | None) -> Forecast:
        """Return the forecast from the last session of each ticker, gains not applied."""
        models = [self._models.select(of_ticker.ticker) for of_ticker in bars]
        if len(set(map(id, models))) < 2:
            return forecast(bars, models[0] if models else self._models.main, NEUTRAL, vix)
        distinct = [models[0], next(model for model in models if model is not models[0])]
        rows = [[row for row, model in enumerate(models) if model is each] for each in distinct]
        parts = [
            forecast([bars[row] for row in of_model], each, NEUTRAL, vix)
            for each, of_model in zip(distinct, rows, strict=True)
        ]
        return Forecast.concat(parts).take(np.argsort([*rows[0], *rows[1]]))

    def baselines(self, bars: Sequence[RawBars]) -> Baselines:
        """Return the baselines of each ticker, n = 1, as far as its history goes.

        What are alike, in length and in parameters, are computed in one pass.
        """
        closes, refused = {}, {}
        for of_ticker in bars:
            try:
                closes[of_ticker.ticker] = np.log(select_baseline_bars(of_ticker).close)
            except InvalidBars as exc:
                refused[of_ticker.ticker] = exc.reason
        garch = select_garch(self._models, closes)
        alike: dict[tuple[int, int], list[str]] = {}
        for ticker, history in closes.items():
            alike.setdefault((len(history), id(garch[ticker])), []).append(ticker)
        issued: dict[str, dict[str, Quantiles]] = {}
        for tickers in alike.values():
            histories = np.stack([closes[ticker] for ticker in tickers])
            of_alike = issue_baselines(histories, garch[tickers[0]])
            for row, ticker in enumerate(tickers):
                issued[ticker] = {name: of.row(row) for name, of in of_alike.items()}
        return Baselines(issued, refused)

    def first_log_gains(self, bars: RawBars, vix: RawBars | None) -> Gains:
        """Return what the bundle has, or what the ticker's own past in the vintage teaches."""
        stored = self._models.select(bars.ticker).manifest.gains.get(bars.ticker)
        if stored is not None:
            return as_log_gains(np.array(stored))
        of, gains = self._learned.get(bars.ticker, (None, ()))
        if of is not bars:
            gains = as_log_gains(self._learn(bars, vix))
            self._learned[bars.ticker] = bars, gains
        return gains

    def _learn(self, bars: RawBars, vix: RawBars | None) -> Floats:
        model = self._models.select(bars.ticker)
        try:
            return learn_first_gains(Bars.validate(bars), model, vix)
        except DataError:  # its older bars are none that anything can be learned from
            return np.exp(pool_log_gains(model.manifest))


def select_manifests(forecaster: Forecaster, tickers: Iterable[str]) -> dict[str, Manifest]:
    """Return ticker -> manifest of the bundle that serves it."""
    tickers = tuple(tickers)
    others = forecaster.select_others(tickers)
    return {ticker: others.get(ticker, forecaster.bundle).manifest for ticker in tickers}


def select_garch(models: Models, tickers: Iterable[str]) -> dict[str, Parameters | None]:
    """Return each ticker's GARCH(1,1)-t parameters, else the pooled ones of those that are stored.

    The pooled ones have no omega, and are one object for all. None where the bundle has no
    parameters at all.
    """
    pooled: dict[str, Parameters | None] = {}
    selected = {}
    for ticker in tickers:
        manifest = models.select(ticker).manifest
        stored, version = manifest.baselines.get(GARCH_T, {}), manifest.model_version
        if ticker not in stored and version not in pooled:
            pooled[version] = pool_parameters(stored)
        selected[ticker] = stored.get(ticker) or pooled[version]
    return selected


def select_baseline_bars(bars: RawBars) -> Bars:
    """Return the bars a baseline sees; raises InvalidBars where there are not enough good ones."""
    valid = Bars.validate(bars.tail(BASELINE_SESSIONS))
    if len(valid) < LEAST_SESSIONS:
        raise InvalidBars(
            f"{bars.ticker}: expected at least {LEAST_SESSIONS} bars, got {len(valid)}",
            Reason.NOT_ENOUGH_HISTORY,
        )
    return valid
