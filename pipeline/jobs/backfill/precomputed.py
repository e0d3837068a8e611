"""Historic: the forecasts and baselines of every session of a long reading, in one pass each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

import numpy as np

from pipeline.bar_patterns import find_doubtful
from pipeline.bars import VIX, Bars, RawBars
from pipeline.baselines.fixed_window import (
    BASELINE_SESSIONS,
    Quantiles,
    issue_baselines,
    slide_histories,
)
from pipeline.errors import DataError, InvalidBars
from pipeline.forecasting.bundle import ModelBundle
from pipeline.forecasting.calibration import NEUTRAL
from pipeline.forecasting.forecast import Forecast, forecast_history
from pipeline.forecasting.models import Models
from pipeline.forecasting.windows import MIN_SESSIONS
from pipeline.grid import round_digits
from pipeline.ports import Reading
from pipeline.record.forecasters import (
    Baselines,
    DirectForecaster,
    select_baseline_bars,
    select_garch,
)
from pipeline.record.state import Gains


class PrecomputedForecaster:
    """Forecasts and baselines of every session of a reading, computed in one pass each.

    A ticker whose bars do not all pass as one history is forecast session by session.
    """

    def __init__(self, models: Models, tickers: Sequence[str], reading: Reading) -> None:
        self._direct = DirectForecaster(models)
        self._histories = dict(_validate_histories(reading, tickers))
        vix = reading.bars.get(VIX)
        self._forecasts = {
            ticker: forecast_history(bars, models.select(ticker), NEUTRAL, vix)
            for ticker, bars in self._histories.items()
        }
        self._doubtful = {ticker: find_doubtful(bars) for ticker, bars in self._histories.items()}
        garch = select_garch(models, self._histories)
        self._baselines = {
            ticker: issue_baselines(slide_histories(bars), garch[ticker])
            for ticker, bars in self._histories.items()
            if len(bars) >= BASELINE_SESSIONS
        }

    @property
    def bundle(self) -> ModelBundle:
        return self._direct.bundle

    def select_others(self, tickers: Iterable[str]) -> dict[str, ModelBundle]:
        """Return ticker -> bundle of the tickers that another than `bundle` serves."""
        return self._direct.select_others(tickers)

    def first_log_gains(self, bars: RawBars, vix: RawBars | None) -> Gains:
        """Return the log gains that a ticker starts with which another than `bundle` serves."""
        return self._direct.first_log_gains(bars, vix)

    def forecast(self, bars: Sequence[Bars], vix: RawBars | None) -> Forecast:
        """Return the forecast from the last session of each ticker, gains not applied."""
        closes = round_digits([of.close[-1] for of in bars]).tolist()
        found = [self._find(of, close) for of, close in zip(bars, closes, strict=True)]
        parts = [known for known in found if known is not None]
        left = [at for at, known in enumerate(found) if known is None]
        if left or not parts:
            parts.append(self._direct.forecast([bars[at] for at in left], vix))
        order = np.argsort([*(at for at, known in enumerate(found) if known is not None), *left])
        return Forecast.concat(parts).take(order)

    def baselines(self, bars: Sequence[RawBars]) -> Baselines:
        """Return the baselines of each ticker, n = 1, or why its bars do not allow any."""
        found = {of.ticker: self._look_up(of) for of in bars if of.ticker in self._baselines}
        known = {ticker: issued for ticker, issued in found.items() if issued}
        others = self._direct.baselines([of for of in bars if of.ticker not in known])
        return Baselines({**others.issued, **known}, others.refused)

    def _look_up(self, bars: RawBars) -> dict[str, Quantiles] | None:
        """Return the baselines of a ticker, None where the long history does not have them."""
        history = self._histories[bars.ticker]
        origin = int(np.searchsorted(history.session, bars.session[-1]))
        row = origin - (BASELINE_SESSIONS - 1)
        if row < 0 or len(bars) < BASELINE_SESSIONS or history.close[origin] != bars.close[-1]:
            return None
        # What is valid in the whole history is so in a part of it, but for what a gap looks like.
        if self._doubtful[bars.ticker][row : origin + 1].any():
            try:
                select_baseline_bars(bars)
            except InvalidBars:
                return None
        return {
            name: quantiles.row(row) for name, quantiles in self._baselines[bars.ticker].items()
        }

    def _find(self, bars: Bars, close: float) -> Forecast | None:
        """Return the forecast of a ticker, None before a split, when it was quoted otherwise."""
        forecast = self._forecasts.get(bars.ticker)
        if forecast is None:
            return None
        row = int(np.searchsorted(forecast.origin_date, bars.session[-1]))
        return forecast.row(row) if forecast.last_close[row] == close else None


def _validate_histories(reading: Reading, tickers: Sequence[str]) -> Iterator[tuple[str, Bars]]:
    for ticker in tickers:
        if ticker in reading.bars:
            with suppress(DataError):
                bars = Bars.validate(reading.bars[ticker])
                if len(bars) >= MIN_SESSIONS:
                    yield ticker, bars
