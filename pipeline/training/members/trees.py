"""Trees: boosted trees for the expected size of the return, quantiles of what that leaves.

A Poisson regression (log link) of |z|, z being the return in units of its recent volatility: one
for all horizons, as its mean hardly depends on the horizon. The quantiles of z / size are per
horizon, from sizes that fits predict of sessions they had not seen. Every row is learnt twice, with
and without its VIX, so that a missing one costs little.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnxscript import opset20 as op
from onnxscript import opset_ai_onnx_ml1, script
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from skl2onnx.operator_converters.random_forest import (
    convert_sklearn_random_forest_regressor_converter,
)
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from pipeline.bars import Flags, Floats, Sessions
from pipeline.forecasting.levels import LEVELS
from pipeline.training.graph.inputs import Inputs
from pipeline.training.graph.onnx_graph import DOUBLE, OPSET, build_model
from pipeline.training.graph.window_graph import INPUT_NAMES, VIX_NAMES
from pipeline.training.members.member import TrainingRows

PARAMS: Mapping[str, Any] = {
    "loss": "poisson",
    "learning_rate": 0.05,
    "max_iter": 120,
    "max_leaf_nodes": 8,
    "min_samples_leaf": 100,
    "l2_regularization": 5.0,
}
Z_LIMIT = 5.0
FOLDS = 4
# Calendar days that hold the sessions to the farthest horizon.
PURGE = np.timedelta64(10, "D")
# Inputs on a grid: thresholds half-way between two of them are then exact in single precision.
GRID = 4096.0
SINGLE_BITS = 24
N_COLUMNS = len(INPUT_NAMES) + 1
OF_VIX = np.array([*(name in VIX_NAMES for name in INPUT_NAMES), True])


@dataclass(frozen=True, slots=True, eq=False)
class FittedTrees:
    """Quantile = exp(level) * size * sqrt(horizon) * z.

    Attributes
    ----------
    regressor : predicts the size, which is the expected |z|
    z : float64 (n_horizons, n_levels), quantiles of the return in units of its expected size
    """

    regressor: HistGradientBoostingRegressor
    z: Floats

    def quantiles(self, inputs: Inputs) -> Floats:
        """Return quantiles of the log return, float64 (n, n_horizons, n_levels)."""
        size = np.exp(inputs.select_column("level")) * self.regressor.predict(_build_matrix(inputs))
        quantiles: Floats = size[:, None, None] * self._reach
        return quantiles

    def build_graph(self) -> onnx.ModelProto:
        """Return columns, vix_known -> quantiles (n, n_horizons, n_levels)."""
        horizons, levels = self.z.shape
        model = build_model(
            trees_graph,
            {"columns": (DOUBLE, ["n", len(INPUT_NAMES)]), "vix_known": (DOUBLE, ["n", 1])},
            {"quantiles": (DOUBLE, ["n", horizons, levels])},
            {"grid": np.array(GRID), "reach": self._reach},
        )
        [score] = [node for node in model.graph.node if node.op_type == "TreeEnsembleRegressor"]
        score.attribute.extend(_export(self.regressor).attribute)
        return model

    @property
    def _reach(self) -> Floats:
        horizons = np.arange(1, len(self.z) + 1)
        reach: Floats = np.sqrt(horizons)[:, None] * self.z
        return reach


def fit_trees(rows: TrainingRows, seed: int = 0) -> FittedTrees:
    """Fit on the rows of which all horizons are realised; equal rows and seeds give equal fits."""
    realised: Flags = np.isfinite(rows.returns.sum(axis=1))
    rows = rows.select(realised)
    z = rows.returns / rows.unit
    x = _build_matrix(rows.inputs)
    y = np.minimum(np.abs(z), Z_LIMIT).mean(axis=1)
    # Keeps sums in one order whatever the machine, and no threads waiting for each other.
    with threadpool_limits(1):
        unseen = _predict_unseen_sizes(x, y, rows.origin, seed)
        regressor = _fit(x, y, seed)
    return FittedTrees(regressor, np.quantile(z / unseen[:, None], LEVELS, axis=0).T)


def _build_matrix(inputs: Inputs) -> Floats:
    """Return what the trees see, float64 (n, n_inputs + 1)."""
    columns = np.concatenate([inputs.columns, inputs.vix_known], axis=1)
    on_grid: Floats = np.round(columns * GRID) / GRID
    return on_grid


def _fit(x: Floats, y: Floats, seed: int) -> HistGradientBoostingRegressor:
    regressor = HistGradientBoostingRegressor(**PARAMS, early_stopping=False, random_state=seed)
    without_vix = np.where(OF_VIX, 0.0, x)
    return regressor.fit(np.concatenate([x, without_vix]), np.concatenate([y, y]))


def _predict_unseen_sizes(x: Floats, y: Floats, origin: Sessions, seed: int) -> Floats:
    """Return sizes float64 (n,), each by a fit on other blocks of sessions, purged at the edges."""
    sizes = np.empty(len(x))
    for block in np.array_split(np.unique(origin), FOLDS):
        first, last = block[0], block[-1]
        inside = (first <= origin) & (origin <= last)
        near = (first - PURGE <= origin) & (origin <= last + PURGE)
        sizes[inside] = _fit(x[~near], y[~near], seed).predict(x[inside])
    return sizes


@script(default_opset=op)
def trees_graph(columns, vix_known, grid, reach):  # type: ignore[no-untyped-def]
    """Say FittedTrees.quantiles in ONNX; the regressor's score, a logarithm, is still empty."""
    on_grid = op.Round(op.Concat(columns, vix_known, axis=1) * grid) / grid
    score = opset_ai_onnx_ml1.TreeEnsembleRegressor(op.Cast(on_grid, to=1))
    log_size = op.Gather(columns, [0], axis=1) + op.Cast(score, to=11)
    quantiles = op.Unsqueeze(op.Exp(log_size), [2]) * reach
    return quantiles  # noqa: RET504 -- its name is the output's


def _export(regressor: HistGradientBoostingRegressor) -> onnx.NodeProto:
    """Return the node that says the logarithm of the regressor's prediction."""
    model = convert_sklearn(
        regressor,
        initial_types=[("matrix", FloatTensorType([None, N_COLUMNS]))],
        target_opset={"": OPSET, "ai.onnx.ml": 3},
        custom_conversion_functions={HistGradientBoostingRegressor: _convert},
    )
    [node] = model.graph.node
    _make_sums_exact({attribute.name: attribute for attribute in node.attribute})
    return node


def _convert(scope: Any, operator: Any, container: Any) -> None:
    convert_sklearn_random_forest_regressor_converter(scope, operator, _PlainNumbers(container))


class _PlainNumbers:
    """skl2onnx's container; its converter fills lists with numpy's integers, onnx refuses them."""

    def __init__(self, container: Any) -> None:
        self._container = container

    def __getattr__(self, name: str) -> Any:
        return getattr(self._container, name)

    def add_node(self, *args: Any, **attributes: Any) -> None:
        plain = {
            name: np.array(value).tolist() if isinstance(value, list) else value
            for name, value in attributes.items()
        }
        self._container.add_node(*args, **plain)


def _make_sums_exact(attributes: Mapping[str, onnx.AttributeProto]) -> None:
    """Put leaves on the finest grid on which sums in single precision, in any order, are exact.

    ONNX Runtime sums trees in an order that depends on the batch and on its threads.
    """
    base, leaves = attributes["base_values"].floats, attributes["target_weights"].floats
    largest = np.zeros(max(attributes["target_treeids"].ints) + 1)
    np.maximum.at(largest, attributes["target_treeids"].ints, np.abs(leaves))
    # No partial sum is larger; rounding may add a little.
    bound = 1.001 * (abs(base[0]) + largest.sum())
    grid = 2.0 ** (SINGLE_BITS - np.ceil(np.log2(bound)))
    for numbers in (base, leaves):
        numbers[:] = np.round(np.array(numbers) * grid) / grid
