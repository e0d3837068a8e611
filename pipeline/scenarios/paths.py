"""Paths: normal scores of something that goes along by itself, the same for the same name."""

from __future__ import annotations

import hashlib
from functools import cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from pipeline.bars import Floats
from pipeline.scenarios.marginals import N_SCENARIOS, SCENARIO_LEVELS


def draw_paths(name: str, n_horizons: int) -> Floats:
    """Return sums of independent normal steps, each horizon of unit size.

    The steps are all normal scores once a session, in an order that a digest of the name gives:
    no generator of random numbers that another version of a library may change.

    Returns
    -------
    float64 (n_scenarios, n_horizons)
    """
    order = draw_orders(name, n_horizons)
    summed = np.cumsum(_normal_scores()[order], axis=1)
    paths: Floats = summed / np.sqrt(np.arange(1, n_horizons + 1))
    return paths


def draw_orders(name: str, n_horizons: int) -> NDArray[np.int64]:
    """Return an order of the scenarios at each horizon, int64 (n_scenarios, n_horizons)."""
    size = 8 * N_SCENARIOS * n_horizons
    drawn = np.frombuffer(hashlib.shake_256(name.encode()).digest(size), "<u8")
    return np.argsort(drawn.reshape(N_SCENARIOS, n_horizons), axis=0, kind="stable")


@cache
def _normal_scores() -> Floats:
    return np.array([NormalDist().inv_cdf(level) for level in SCENARIO_LEVELS.tolist()])
