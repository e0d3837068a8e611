"""The gains that a ticker starts with which the bundle does not know."""

from __future__ import annotations

from statistics import NormalDist

import msgspec
import numpy as np
import pytest

from pipeline.forecasting.bundle import ModelBundle
from pipeline.forecasting.calibration import MAX_LOG_GAIN, USUAL_CALIBRATOR
from pipeline.forecasting.first_gains import learn_first_gains, pool_log_gains, shrink_to
from pipeline.forecasting.levels import LEVELS, MEDIAN
from pipeline.forecasting.model import Model
from tests.support.builders import bars

Z = np.array([NormalDist().inv_cdf(level) for level in LEVELS])
POOLED = np.full((2, len(LEVELS)), 0.1)
SHRINKAGE = 4.0  # misses; what manifests have that say nothing of it


def past(scale: float, n: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Quantiles of a normal return of 1 % where it really moves `scale` times as much."""
    quantiles = np.broadcast_to(0.01 * Z, (n, 2, len(LEVELS))).copy()
    realised = np.random.default_rng(3).normal(0, 0.01 * scale, (n, 2))
    return quantiles, realised


@pytest.mark.parametrize("scale", [0.7, 1.0, 1.5])
def test_a_long_past_counts_for_nearly_all(scale: float) -> None:
    gains = np.exp(shrink_to(np.zeros((2, len(LEVELS))), *past(scale, 40_000), SHRINKAGE))
    levels = [level for level in range(len(LEVELS)) if level != MEDIAN]
    assert gains[:, levels] == pytest.approx(np.full((2, 10), scale), rel=0.06)


def test_no_past_leaves_the_pooled_gains() -> None:
    quantiles, realised = past(2.0, 50)
    assert np.array_equal(shrink_to(POOLED, quantiles[:0], realised[:0], SHRINKAGE), POOLED)
    unknown = np.full_like(realised, np.nan)
    assert np.array_equal(shrink_to(POOLED, quantiles, unknown, SHRINKAGE), POOLED)


def test_the_rarer_a_miss_the_less_the_past_counts() -> None:
    log_gains = shrink_to(np.zeros((2, len(LEVELS))), *past(2.0, 400), SHRINKAGE)
    own = np.log(2.0)
    for level, probability in ((0, 0.01), (2, 0.05), (3, 0.10)):
        misses = 400 * probability
        expected = own * misses / (misses + SHRINKAGE)
        assert log_gains[0, level] == pytest.approx(expected, abs=0.2)
    assert log_gains[0, 0] < log_gains[0, 3]
    assert log_gains[1, 3] < log_gains[0, 3]  # targets that overlap say less


def test_the_median_is_moved_by_none_and_bounds_hold() -> None:
    log_gains = shrink_to(np.zeros((2, len(LEVELS))), *past(50.0), SHRINKAGE)
    assert (log_gains[:, MEDIAN] == 0).all()
    assert np.abs(log_gains).max() == pytest.approx(MAX_LOG_GAIN)


def test_quantiles_without_width_teach_nothing() -> None:
    quantiles, realised = past(1.0, 300)
    assert np.array_equal(shrink_to(POOLED, 0.0 * quantiles, realised, SHRINKAGE), POOLED)


def test_how_much_a_past_counts_is_in_the_manifest(model: Model) -> None:
    pooled = pool_log_gains(model.manifest)

    def distance(shrinkage: float) -> float:
        own = msgspec.structs.replace(USUAL_CALIBRATOR, shrinkage=shrinkage)
        manifest = msgspec.structs.replace(model.manifest, own_calibrator=own)
        gains = learn_first_gains(
            bars(n=420), Model(ModelBundle(manifest, model.bundle.onnx)), None
        )
        return float(np.abs(np.log(gains) - pooled).max())

    usual = np.abs(np.log(learn_first_gains(bars(n=420), model, None)) - pooled).max()
    assert distance(4.0) == usual
    assert 0 < distance(16.0) < usual < distance(1.0)


def test_one_window_alone_teaches_nothing(model: Model) -> None:
    first = learn_first_gains(bars(n=126), model, None)
    assert np.array_equal(first, np.exp(pool_log_gains(model.manifest)))
    assert not np.array_equal(learn_first_gains(bars(n=320), model, None), first)
