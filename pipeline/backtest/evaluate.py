"""Backtest: forecasts of the past scored against realised values, a ticker in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
from numpy.typing import NDArray

from pipeline.backtest.fixed_baselines import build_fixed_baselines
from pipeline.backtest.history import MarketHistory
from pipeline.backtest.score_cube import CALIBRATED
from pipeline.bars import Bars, Floats, RawBars, Sessions
from pipeline.baselines.full_history import Baseline, OriginQuantiles
from pipeline.baselines.names import GARCH_T
from pipeline.columns import Columns, concatenate
from pipeline.errors import DataError, Reason
from pipeline.evaluation.score_table import FORECASTER, score_rows
from pipeline.forecasting.calibration import NEUTRAL, Calibration, calibrate_history
from pipeline.forecasting.forecast import forecast_history
from pipeline.forecasting.model import Model
from pipeline.forecasting.windows import MIN_SESSIONS, log_returns_ahead

Span = tuple[date, date]


def backtest(
    bars: Sequence[Bars],
    model: Model,
    first: date,
    last: date,
    vix: RawBars | None = None,
    name: str = FORECASTER,
) -> Columns:
    """Score what `model` forecasts from every origin from `first` to `last`, both included.

    An origin without a full window before it is left out, and so is a target not realised yet.

    Parameters
    ----------
    bars : all bars of each ticker; those after `last` are only looked up as realised
    name : what the `model` column says

    Returns
    -------
    The scores columns, a row per ticker, origin and horizon, in this order

    Raises
    ------
    DataError
        When nothing can be scored, or a ticker has fewer bars than one window needs.
    """
    parts = []
    for ticker_bars in bars:
        forecasts = forecast_span(ticker_bars, model, (first, last), vix)
        version = model.manifest.model_version
        parts.append(
            score_quantiles(
                ticker_bars, forecasts.origin_date, forecasts.log_return_quantiles, name, version
            )
        )
    scores = concatenate(parts)
    if not len(scores["ticker"]):
        tickers = [ticker_bars.ticker for ticker_bars in bars]
        raise DataError(
            f"{', '.join(tickers)}: expected forecasts from {first} to {last} "
            "whose targets are realised, got none",
            Reason.NOT_ENOUGH_HISTORY,
        )
    return scores


def forecast_span(
    bars: Bars,
    model: Model,
    span: tuple[date, date],
    vix: RawBars | None,
    calibration: Calibration = NEUTRAL,
) -> OriginQuantiles:
    """Return what `model` forecasts of one ticker from every origin of a span, ends included."""
    forecasts = forecast_history(_select_needed(bars, *span), model, calibration, vix)
    rows = (forecasts.origin_date >= np.datetime64(span[0])) & forecasts.finite
    return OriginQuantiles(forecasts.origin_date[rows], forecasts.log_return_quantiles[rows])


def score_baseline(
    bars: Sequence[Bars], baseline: Baseline, first: date, last: date, name: str
) -> Columns:
    """Score what a baseline forecasts from every origin from `first` to `last`, both included.

    Raises
    ------
    DataError
        When a ticker has too few bars before `first`.
    """
    parts = []
    for ticker_bars in bars:
        forecasts = baseline(ticker_bars.as_of(last), first)
        parts.append(
            score_quantiles(
                ticker_bars, forecasts.origin_date, forecasts.log_return_quantiles, name, name
            )
        )
    return concatenate(parts)


def score_bundle(model: Model, market: MarketHistory, span: Span, notes: list[str]) -> Columns:
    """Return the scores of a bundle and of baselines that need no fitting; adds to `notes`."""
    bars, vix = market.bars, market.vix
    trained = model.manifest.training.last_session
    if trained >= span[0]:
        notes.append(f"trained on data up to {trained}: forecasts from before then prove nothing")
    parts = [backtest(bars, model, *span, vix)]
    baselines = build_fixed_baselines(model.manifest)
    stored = model.manifest.baselines.get(GARCH_T, {})
    unknown = [ticker_bars.ticker for ticker_bars in bars if ticker_bars.ticker not in stored]
    if GARCH_T in baselines and unknown:
        notes.append(f"{GARCH_T} of {len(unknown)} tickers has the pooled parameters of the bundle")
    elif GARCH_T in baselines:
        notes.append(f"{GARCH_T} is not refitted either: its parameters are stored in the bundle")
    else:
        notes.append(f"without {GARCH_T}: the bundle has no parameters of it")
    if unknown:
        baselines[CALIBRATED] = calibrate_bundle(model, vix)
    for name, baseline in baselines.items():
        try:
            parts.append(score_baseline(bars, baseline, *span, name))
        except DataError as exc:
            notes.append(f"without {name}: {exc}")
    return concatenate(parts)


def calibrate_bundle(model: Model, vix: RawBars | None) -> Baseline:
    """Return the forecaster with the online calibrator on top; gains begin neutral."""

    def forecast(bars: Bars, first: date) -> OriginQuantiles:
        forecasts = forecast_span(bars, model, (first, bars.session[-1].item()), vix)
        at = np.searchsorted(bars.session, forecasts.origin_date)
        realised = log_returns_ahead(bars.close[None], model.manifest.horizons)[0, at]
        published, _ = calibrate_history(
            forecasts.log_return_quantiles, realised, model.manifest.calibrator.step_at
        )
        return OriginQuantiles(forecasts.origin_date, published)

    return forecast


def score_quantiles(
    bars: Bars, origin_date: Sessions, quantiles: Floats, model: str, model_version: str
) -> Columns:
    """Score one ticker's forecasts where the target is realised and every quantile finite.

    Parameters
    ----------
    origin_date : datetime64[D] (n,), sessions of `bars`
    quantiles : float64 (n, n_horizons, n_levels), of the log return at horizons 1, 2, …
    model, model_version : what the columns of these names say

    Returns
    -------
    The scores columns, a row per origin and horizon, in this order
    """
    at = np.searchsorted(bars.session, origin_date)
    horizons = np.arange(1, quantiles.shape[1] + 1)
    ahead = log_returns_ahead(bars.close[None], horizons.tolist())[0, at]
    origin, step = np.nonzero(np.isfinite(ahead) & np.isfinite(quantiles).all(axis=-1))
    target = at[origin] + horizons[step]
    forecasts = {
        "ticker": _repeat(bars.ticker, len(target)),
        "origin_date": origin_date[origin],
        "target_date": bars.session[target],
        "horizon": horizons[step].astype(np.int32),
        "model": _repeat(model, len(target)),
        "model_version": _repeat(model_version, len(target)),
    }
    realised_return = ahead[origin, step]
    return score_rows(forecasts, quantiles[origin, step], bars.close[target], realised_return)


def _select_needed(bars: Bars, first: date, last: date) -> Bars:
    """Return the bars that the windows of these origins see: equal numbers in less time."""
    past = bars.as_of(last)
    origins = int((past.session >= np.datetime64(first)).sum())
    return past.tail(max(origins, 1) + MIN_SESSIONS - 1)


def _repeat(text: str, n: int) -> NDArray[np.object_]:
    return np.full(n, text, object)
