"""Bundles: built of a graph and the data it was trained on, and written."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import date
from importlib.metadata import version
from pathlib import Path

import numpy as np

from pipeline.adapters.folder_store import FolderObjects
from pipeline.bars import Bars, Floats
from pipeline.baselines.full_history import HORIZONS
from pipeline.encoding import to_json
from pipeline.errors import DataError, Reason
from pipeline.forecasting.adjustment_check import check_adjusted, check_unmixed
from pipeline.forecasting.bundle import (
    MANIFEST,
    ONNX,
    SCHEMA_VERSION,
    Manifest,
    ModelBundle,
    Training,
    name_version,
)
from pipeline.forecasting.features import FEATURE_NAMES, LOOKBACK
from pipeline.forecasting.levels import LEVELS
from pipeline.training.baselines.garch import fit_garch_t

LIBRARIES = ("numpy", "torch", "scikit-learn", "onnx", "skl2onnx", "onnxruntime", "arch")
MIN_TRAINING_SESSIONS = 1000


def save_bundle(bundle: ModelBundle, folder: Path) -> None:
    """Write the bundle to `folder`, made if missing, each file whole, the manifest last.

    Dying between the two leaves a bundle that load_bundle refuses by its digest.
    """
    files = FolderObjects(folder)
    files.replace(ONNX, bundle.onnx)
    files.replace(MANIFEST, to_json(bundle.manifest))


def check_trainable(bars: Sequence[Bars], *, adjusted: bool = False) -> None:
    """Raise DataError for bars unfit to learn from: too few, constant, or adjusted in part.

    Those said to be `adjusted` for dividends must all be so.
    """
    for ticker_bars in bars:
        _check_ticker(ticker_bars)
    (check_adjusted if adjusted else check_unmixed)(bars)


def _check_ticker(bars: Bars) -> None:
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


def is_trainable_before(bars: Sequence[Bars], day: date) -> bool:
    """Return whether every ticker has bars enough to train on before `day`."""
    before = (int((ticker_bars.session < np.datetime64(day)).sum()) for ticker_bars in bars)
    return min(before) >= MIN_TRAINING_SESSIONS


def build_bundle(
    onnx: bytes,
    bars: Sequence[Bars],
    members: Mapping[str, float],
    covariates: Sequence[str],
    gains: Floats,
) -> ModelBundle:
    """Return the bundle of a graph trained on all of `bars`.

    Parameters
    ----------
    members : name -> share
    gains : float64 (n_tickers, n_horizons, n_levels), tickers in the order of `bars`
    """
    last: date = max(ticker_bars.session[-1] for ticker_bars in bars).item()
    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        model_version=name_version(last, onnx),
        onnx_sha256=hashlib.sha256(onnx).hexdigest(),
        feature_names=FEATURE_NAMES,
        lookback=LOOKBACK,
        horizons=HORIZONS,
        levels=LEVELS,
        covariates=tuple(covariates),
        training=Training(
            first_session=min(ticker_bars.session[0] for ticker_bars in bars).item(),
            last_session=last,
            tickers=tuple(ticker_bars.ticker for ticker_bars in bars),
            data_sha256=_digest_data(bars),
        ),
        members=members,
        baselines={
            "garch_t": {ticker_bars.ticker: _fit_garch(ticker_bars) for ticker_bars in bars}
        },
        scores={},
        gains={
            ticker_bars.ticker: tuple(map(tuple, np.round(ticker_gains, 6).tolist()))
            for ticker_bars, ticker_gains in zip(bars, gains, strict=True)
        },
        libraries={name: version(name) for name in LIBRARIES},
    )
    return ModelBundle(manifest, onnx)


def _fit_garch(bars: Bars) -> dict[str, float]:
    return dict(fit_garch_t(np.diff(np.log(bars.close))))


def _digest_data(bars: Sequence[Bars]) -> str:
    digest = hashlib.sha256()
    for ticker_bars in sorted(bars, key=lambda ticker_bars: ticker_bars.ticker):
        digest.update(ticker_bars.ticker.encode())
        for column in (
            ticker_bars.session.astype(np.int64),
            ticker_bars.open,
            ticker_bars.high,
            ticker_bars.low,
            ticker_bars.close,
        ):
            digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()
