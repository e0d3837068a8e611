"""Forecasters: what a part's forecasts and baselines come from, gains not applied."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from pipeline.bars import Bars, RawBars
from pipeline.baselines.fixed_window import (
    BASELINE_SESSIONS,
    Quantiles,
    issue_baselines,
    slide_histories,
)
from pipeline.baselines.names import GARCH_T
from pipeline.errors import InvalidBars, Reason
from pipeline.forecasting.bundle import ModelBundle
from pipeline.forecasting.calibration import NEUTRAL
from pipeline.forecasting.forecast import Forecast, forecast
from pipeline.forecasting.model import Model


class Forecaster(Protocol):
    """What forecasts from the bars of a vintage: made for it, or looked up in a long history."""

    @property
    def bundle(self) -> ModelBundle: ...

    def forecast(self, bars: Sequence[Bars], vix: RawBars | None) -> Forecast:
        """Return the forecast from the last session of each ticker, gains not applied."""

    def baselines(self, bars: RawBars) -> dict[str, Quantiles]:
        """Return the baselines of one ticker, n = 1; raises DataError where bars do not allow."""


class DirectForecaster:
    """Forecasts made from the bars given."""

    def __init__(self, model: Model) -> None:
        self._model = model

    @property
    def bundle(self) -> ModelBundle:
        return self._model.bundle

    def forecast(self, bars: Sequence[Bars], vix: RawBars | None) -> Forecast:
        """Return the forecast from the last session of each ticker, gains not applied."""
        return forecast(bars, self._model, NEUTRAL, vix)

    def baselines(self, bars: RawBars) -> dict[str, Quantiles]:
        """Return the baselines of one ticker, n = 1.

        Raises
        ------
        InvalidBars
            When there are fewer than 300 bars, or one of the last 300 is not valid.
        """
        return issue_baselines(
            slide_histories(select_baseline_bars(bars))[-1:],
            garch_parameters(self.bundle, bars.ticker),
        )


def garch_parameters(bundle: ModelBundle, ticker: str) -> Mapping[str, float] | None:
    """Return the ticker's GARCH(1,1)-t parameters, None where the bundle has none."""
    return bundle.manifest.baselines.get(GARCH_T, {}).get(ticker)


def select_baseline_bars(bars: RawBars) -> Bars:
    """Return the bars a baseline sees; raises InvalidBars where there are not enough good ones."""
    valid = Bars.validate(bars.tail(BASELINE_SESSIONS))
    if len(valid) < BASELINE_SESSIONS:
        raise InvalidBars(
            f"{bars.ticker}: expected {BASELINE_SESSIONS} bars, got {len(valid)}",
            Reason.NOT_ENOUGH_HISTORY,
        )
    return valid
