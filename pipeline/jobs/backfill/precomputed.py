"""Historic: the forecasts and baselines of every session of a long reading, in one pass each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

import numpy as np

from pipeline.bars import VIX, Bars, RawBars
from pipeline.baselines.fixed_window import (
    BASELINE_SESSIONS,
    Quantiles,
    issue_baselines,
    slide_histories,
)
from pipeline.errors import DataError
from pipeline.forecasting.bundle import ModelBundle
from pipeline.forecasting.calibration import NEUTRAL
from pipeline.forecasting.forecast import Forecast, forecast_history
from pipeline.forecasting.model import Model
from pipeline.forecasting.windows import MIN_SESSIONS
from pipeline.ports import Reading
from pipeline.record.forecasters import FreshForecaster, baseline_bars, garch_of


class HistoricForecaster:
    """Forecasts and baselines of every session of a reading, made in one pass each.

    A ticker whose bars do not all pass as one history is forecast session by session.
    """

    def __init__(self, model: Model, tickers: Sequence[str], reading: Reading) -> None:
        self._fresh = FreshForecaster(model)
        vix = reading.bars.get(VIX)
        self._whole = valid = dict(_valid(reading, tickers))
        self._forecasts = {
            ticker: forecast_history(bars, model, NEUTRAL, vix) for ticker, bars in valid.items()
        }
        self._baselines = {
            ticker: issue_baselines(slide_histories(bars), garch_of(self.bundle, ticker))
            for ticker, bars in valid.items()
            if len(bars) >= BASELINE_SESSIONS
        }

    @property
    def bundle(self) -> ModelBundle:
        return self._fresh.bundle

    def forecast(self, bars: Sequence[Bars], vix: RawBars | None) -> Forecast:
        """Return the forecast from the last session of each ticker, gains not applied."""
        made = [self._forecast_of(one) for one in bars if one.ticker in self._forecasts]
        # Before a split prices are quoted otherwise than in the whole history.
        at_hand = [one.last_close[-1] for one in made] == [one.close[-1] for one in bars]
        return _stacked(made) if made and at_hand else self._fresh.forecast(bars, vix)

    def baselines(self, bars: RawBars) -> dict[str, Quantiles]:
        """Return the baselines of one ticker, n = 1; raises InvalidBars as a fresh one does."""
        if bars.ticker not in self._baselines:
            return self._fresh.baselines(bars)
        whole, last = self._whole[bars.ticker], baseline_bars(bars)
        at = int(np.searchsorted(whole.session, last.session[-1]))
        if whole.close[at] != last.close[-1]:
            return self._fresh.baselines(bars)
        at -= BASELINE_SESSIONS - 1
        return {name: made.row(at) for name, made in self._baselines[bars.ticker].items()}

    def _forecast_of(self, bars: Bars) -> Forecast:
        made = self._forecasts[bars.ticker]
        return made.where(made.origin_date == bars.session[-1])


def _valid(reading: Reading, tickers: Sequence[str]) -> Iterator[tuple[str, Bars]]:
    for ticker in tickers:
        if ticker in reading.bars:
            with suppress(DataError):
                bars = Bars.validated(reading.bars[ticker])
                if len(bars) >= MIN_SESSIONS:
                    yield ticker, bars


def _stacked(parts: Sequence[Forecast]) -> Forecast:
    return Forecast(
        tickers=tuple(ticker for one in parts for ticker in one.tickers),
        origin_date=np.concatenate([one.origin_date for one in parts]),
        last_close=np.concatenate([one.last_close for one in parts]),
        horizons=parts[0].horizons,
        log_return_quantiles=np.concatenate([one.log_return_quantiles for one in parts]),
        sigma=np.concatenate([one.sigma for one in parts]),
        finite=np.concatenate([one.finite for one in parts]),
    )
