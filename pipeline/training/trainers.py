"""Trainers: ways to make a bundle from bars, which a walk-forward backtest can refit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from pipeline.bars import VIX, Bars, RawBars
from pipeline.baselines.full_history import HORIZONS
from pipeline.errors import ModelError
from pipeline.forecasting.bundle import ModelBundle
from pipeline.forecasting.features import compute_features
from pipeline.forecasting.levels import LEVELS
from pipeline.forecasting.model import Model
from pipeline.forecasting.panel import Panel
from pipeline.forecasting.windows import Windows, all_windows, log_returns_ahead
from pipeline.training.bundles import build_bundle, check_trainable
from pipeline.training.graph.inputs import derive
from pipeline.training.members.ensemble import HAR, FittedEnsemble, fit_ensemble, fit_spread
from pipeline.training.members.har import fit_har
from pipeline.training.members.member import TrainingRows
from pipeline.training.tracking import NoTracking, Tracker

PARITY = 1e-5
PARITY_BATCHES = (1, 2, 4, 7, 500)


@dataclass(frozen=True, slots=True)
class TrainedEnsemble:
    """The bundle to publish, and each member alone as a bundle, where there are several."""

    bundle: ModelBundle
    members: Mapping[str, ModelBundle] = field(default_factory=dict)


def train_range_har(bars: Sequence[Bars], vix: RawBars | None) -> TrainedEnsemble:
    """Train the range-HAR alone, uncalibrated; raises as `ensemble` does."""
    check_trainable(bars)
    windows, rows = _build_training_rows(bars, vix)
    neutral = np.ones((len(bars), rows.returns.shape[1], len(LEVELS)))
    fitted = fit_spread({HAR: fit_har(rows)}, {HAR: 1.0}, neutral, rows)
    return TrainedEnsemble(_build_checked_bundle(fitted, bars, vix, (windows, rows)))


def train_ensemble(
    bars: Sequence[Bars],
    vix: RawBars | None,
    seed: int = 0,
    tracker: Tracker | None = None,
    *,
    adjusted: bool = False,
) -> TrainedEnsemble:
    """Train range-HAR, LSTM and trees on all of `bars` and average them.

    All prices are `adjusted` for dividends, or none.

    Raises
    ------
    DataError
        When bars are too few or constant.
    ModelError
        When graph and Python ensemble differ by more than 1e-5 anywhere.
    """
    check_trainable(bars, adjusted=adjusted)
    windows, rows = _build_training_rows(bars, vix)
    fitted = fit_ensemble(rows, seed, tracker or NoTracking())
    training_data = (windows, rows)
    members = {
        name: _build_checked_bundle(fitted.isolate(name), bars, vix, training_data)
        for name in fitted.members
    }
    return TrainedEnsemble(_build_checked_bundle(fitted, bars, vix, training_data), members)


def _build_checked_bundle(
    fitted: FittedEnsemble,
    bars: Sequence[Bars],
    vix: RawBars | None,
    training_data: tuple[Windows, TrainingRows],
) -> ModelBundle:
    covariates = () if vix is None else (VIX,)
    bundle = build_bundle(fitted.to_onnx(), bars, fitted.shares, covariates, fitted.gains)
    _check_parity(bundle, fitted, *training_data)
    return bundle


def _build_training_rows(bars: Sequence[Bars], vix: RawBars | None) -> tuple[Windows, TrainingRows]:
    windows, returns, origins = [], [], []
    for ticker_bars in bars:
        panel = Panel.of([ticker_bars], len(ticker_bars), vix)
        ticker_windows = all_windows(compute_features(panel))[0]
        windows.append(ticker_windows)
        returns.append(log_returns_ahead(panel.close, HORIZONS)[0, -len(ticker_windows) :])
        origins.append(panel.session[0, -len(ticker_windows) :])
    ticker = np.repeat(np.arange(len(bars)), [len(ticker_windows) for ticker_windows in windows])
    all_rows = np.concatenate(windows)
    rows = TrainingRows(derive(all_rows), np.concatenate(returns), np.concatenate(origins), ticker)
    return all_rows, rows


def _check_parity(
    bundle: ModelBundle, fitted: FittedEnsemble, windows: Windows, rows: TrainingRows
) -> None:
    model = Model(bundle)
    for n in PARITY_BATCHES:
        forecast = model.predict(windows[-n:])
        quantiles = fitted.quantiles(rows.inputs.select(np.arange(len(windows) - n, len(windows))))
        worst = max(
            np.abs(forecast.log_return_quantiles - quantiles).max(),
            np.abs(forecast.sigma - fitted.sigma(quantiles)).max(),
        )
        if not worst <= PARITY:
            raise ModelError(f"expected the ONNX graph within {PARITY} of Python, got {worst:g}")
