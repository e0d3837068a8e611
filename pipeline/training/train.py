"""Train a bundle: bars to windows, fit, export, check the export, prove, write."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path

import numpy as np

from pipeline.adapters.folder import FolderObjects
from pipeline.bars import Bars, Floats, Panel
from pipeline.bundle import (
    MANIFEST,
    ONNX,
    SCHEMA_VERSION,
    Manifest,
    ModelBundle,
    Training,
    model_version,
)
from pipeline.errors import DataError, ModelError, Reason
from pipeline.features import FEATURE_NAMES, LOOKBACK, compute_features
from pipeline.intervals import LEVELS
from pipeline.model import Model
from pipeline.record import to_json
from pipeline.training.export import export_range_har
from pipeline.training.garch import garch_t_parameters
from pipeline.training.range_har import RangeHar, fit_range_har, har_inputs
from pipeline.windows import Windows, all_windows, log_returns_ahead

HORIZONS = (1, 2, 3, 4, 5)
LIBRARIES = ("numpy", "torch", "onnx", "onnxruntime", "arch")
MIN_TRAINING_SESSIONS = 1000
PARITY = 1e-5
PARITY_BATCHES = (1, 2, 4, 7, 500)


@dataclass(frozen=True, slots=True, eq=False)
class TrainingSet:
    """Windows float32 (n, 60, 12) and log returns float64 (n, 5) realised by the last session."""

    windows: Windows
    returns: Floats


def training_set(bars: Sequence[Bars]) -> TrainingSet:
    """Return the windows of all tickers at all origins; raises DataError for bars unfit to learn.

    No target lies after a ticker's last bar, so that cutting the bars is all the purging needed.
    """
    check_trainable(bars)
    parts = [_windows_and_returns(one) for one in bars]
    return TrainingSet(
        windows=np.concatenate([windows for windows, _ in parts]),
        returns=np.concatenate([returns for _, returns in parts]),
    )


def train_bundle(bars: Sequence[Bars]) -> ModelBundle:
    """Train on all of `bars` and return a bundle whose ONNX graph equals the Python model.

    Raises
    ------
    DataError
        When bars are too few or constant.
    ModelError
        When graph and Python model differ by more than 1e-5 anywhere.
    """
    learnt = training_set(bars)
    fitted = fit_range_har(har_inputs(learnt.windows), learnt.returns)
    bundle = bundle_of(export_range_har(fitted), bars, {"range_har": 1.0})
    _check_parity(bundle, fitted, learnt.windows)
    return bundle


def save_bundle(bundle: ModelBundle, folder: Path) -> None:
    """Write the bundle to `folder`, made if missing, each file whole, the manifest last.

    Dying between the two leaves a bundle that load_bundle refuses by its digest.
    """
    files = FolderObjects(folder)
    files.replace(ONNX, bundle.onnx)
    files.replace(MANIFEST, to_json(bundle.manifest))


def _windows_and_returns(bars: Bars) -> tuple[Windows, Floats]:
    panel = Panel.of([bars], len(bars))
    windows = all_windows(compute_features(panel))[0]
    return windows, log_returns_ahead(panel.close, HORIZONS)[0, -len(windows) :]


def check_trainable(bars: Sequence[Bars]) -> None:
    """Raise DataError for bars unfit to learn from: too few, or a price that never moves."""
    for one in bars:
        _check_trainable(one)


def _check_trainable(bars: Bars) -> None:
    if len(bars) < MIN_TRAINING_SESSIONS:
        raise DataError(
            f"{bars.ticker}: expected at least {MIN_TRAINING_SESSIONS} bars to train on, "
            f"got {len(bars)}",
            Reason.NOT_ENOUGH_HISTORY,
        )
    if np.ptp(bars.close) == 0:
        raise DataError(
            f"{bars.ticker}: expected prices that move, got a constant close of {bars.close[0]:g}",
            Reason.UNREADABLE,
        )


def bundle_of(
    onnx: bytes, bars: Sequence[Bars], members: Mapping[str, float], covariates: Sequence[str] = ()
) -> ModelBundle:
    """Return the bundle of a graph trained on all of `bars`, with the share of each member."""
    last: date = max(one.session[-1] for one in bars).item()
    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        model_version=model_version(last, onnx),
        onnx_sha256=hashlib.sha256(onnx).hexdigest(),
        feature_names=FEATURE_NAMES,
        lookback=LOOKBACK,
        horizons=HORIZONS,
        levels=LEVELS,
        covariates=tuple(covariates),
        training=Training(
            first_session=min(one.session[0] for one in bars).item(),
            last_session=last,
            tickers=tuple(one.ticker for one in bars),
            data_sha256=_digest(bars),
        ),
        members=members,
        baselines={"garch_t": {one.ticker: _garch(one) for one in bars}},
        scores={},
        libraries={name: version(name) for name in LIBRARIES},
    )
    return ModelBundle(manifest, onnx)


def _garch(bars: Bars) -> dict[str, float]:
    return dict(garch_t_parameters(np.diff(np.log(bars.close))))


def _digest(bars: Sequence[Bars]) -> str:
    digest = hashlib.sha256()
    for one in sorted(bars, key=lambda each: each.ticker):
        digest.update(one.ticker.encode())
        for column in (one.session.astype(np.int64), one.open, one.high, one.low, one.close):
            digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()


def _check_parity(bundle: ModelBundle, fitted: RangeHar, windows: Windows) -> None:
    model = Model(bundle)
    for n in PARITY_BATCHES:
        batch = windows[-n:]
        came = model.predict(batch)
        quantiles, sigma = fitted.quantiles(har_inputs(batch))
        worst = max(
            np.abs(came.log_return_quantiles - quantiles).max(), np.abs(came.sigma - sigma).max()
        )
        if not worst <= PARITY:
            raise ModelError(f"expected the ONNX graph within {PARITY} of Python, got {worst:g}")
