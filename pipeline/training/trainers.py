"""Trainers: ways to make a bundle from bars, which a walk-forward backtest can refit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from pipeline.bars import VIX, Bars, Panel, RawBars
from pipeline.baselines.full_history import HORIZONS
from pipeline.errors import ModelError
from pipeline.forecasting.bundle import ModelBundle
from pipeline.forecasting.features import compute_features
from pipeline.forecasting.levels import LEVELS
from pipeline.forecasting.model import Model
from pipeline.forecasting.windows import Windows, all_windows, log_returns_ahead
from pipeline.training.bundles import bundle_of, check_trainable
from pipeline.training.graph.inputs import derive
from pipeline.training.members.ensemble import HAR, FittedEnsemble, fit_ensemble, fit_spread
from pipeline.training.members.har import fit_har
from pipeline.training.members.member import TrainingRows
from pipeline.training.tracking import NoTracking, Tracker

PARITY = 1e-5
PARITY_BATCHES = (1, 2, 4, 7, 500)


@dataclass(frozen=True, slots=True)
class Trained:
    """The bundle to publish, and each member alone as a bundle, where there are several."""

    bundle: ModelBundle
    members: Mapping[str, ModelBundle] = field(default_factory=dict)


def range_har_alone(bars: Sequence[Bars], vix: RawBars | None) -> Trained:
    """Train the range-HAR alone, uncalibrated; raises as `ensemble` does."""
    check_trainable(bars)
    windows, rows = _training_rows(bars, vix)
    neutral = np.ones((len(bars), rows.returns.shape[1], len(LEVELS)))
    fitted = fit_spread({HAR: fit_har(rows)}, {HAR: 1.0}, neutral, rows)
    return Trained(_bundle(fitted, bars, vix, (windows, rows)))


def ensemble(
    bars: Sequence[Bars], vix: RawBars | None, seed: int = 0, tracker: Tracker | None = None
) -> Trained:
    """Train range-HAR, LSTM and trees on all of `bars` and average them.

    Raises
    ------
    DataError
        When bars are too few or constant.
    ModelError
        When graph and Python ensemble differ by more than 1e-5 anywhere.
    """
    check_trainable(bars)
    windows, rows = _training_rows(bars, vix)
    fitted = fit_ensemble(rows, seed, tracker or NoTracking())
    learnt = (windows, rows)
    alone = {name: _bundle(fitted.isolate(name), bars, vix, learnt) for name in fitted.members}
    return Trained(_bundle(fitted, bars, vix, learnt), alone)


def _bundle(
    fitted: FittedEnsemble,
    bars: Sequence[Bars],
    vix: RawBars | None,
    learnt: tuple[Windows, TrainingRows],
) -> ModelBundle:
    covariates = () if vix is None else (VIX,)
    made = bundle_of(fitted.to_onnx(), bars, fitted.shares, covariates, fitted.gains)
    _check_parity(made, fitted, *learnt)
    return made


def _training_rows(bars: Sequence[Bars], vix: RawBars | None) -> tuple[Windows, TrainingRows]:
    windows, returns, origins = [], [], []
    for one in bars:
        panel = Panel.of([one], len(one), vix)
        made = all_windows(compute_features(panel))[0]
        windows.append(made)
        returns.append(log_returns_ahead(panel.close, HORIZONS)[0, -len(made) :])
        origins.append(panel.session[0, -len(made) :])
    ticker = np.repeat(np.arange(len(bars)), [len(made) for made in windows])
    together = np.concatenate(windows)
    rows = TrainingRows(derive(together), np.concatenate(returns), np.concatenate(origins), ticker)
    return together, rows


def _check_parity(
    bundle: ModelBundle, fitted: FittedEnsemble, windows: Windows, rows: TrainingRows
) -> None:
    model = Model(bundle)
    for n in PARITY_BATCHES:
        came = model.predict(windows[-n:])
        quantiles = fitted.quantiles(rows.inputs.select(np.arange(len(windows) - n, len(windows))))
        worst = max(
            np.abs(came.log_return_quantiles - quantiles).max(),
            np.abs(came.sigma - fitted.sigma(quantiles)).max(),
        )
        if not worst <= PARITY:
            raise ModelError(f"expected the ONNX graph within {PARITY} of Python, got {worst:g}")
