"""Range-HAR: volatility from ranges over many spans, quantiles of z = r / sigma; float64.

The heterogeneous autoregression of Corsi (2009) in logarithms of range-based volatility, with
leverage terms and, where it is known, the VIX; fitted twice, with and without it. Per horizon the
weights and the quantiles of z are fitted together by pinball loss in units of recent volatility.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import torch
from onnxscript import opset20 as op
from onnxscript import script
from torch import nn

from pipeline.bars import Floats
from pipeline.forecasting.levels import LEVELS
from pipeline.training.graph.inputs import Inputs
from pipeline.training.graph.onnx_graph import DOUBLE, build_model
from pipeline.training.graph.window_graph import FALLS, INPUT_NAMES, VOLATILITIES
from pipeline.training.members.member import TrainingRows

RIDGE = 1e-4
ITERATIONS = 200  # at most
# ONNX Runtime promises no equal bits across CPUs; on a grid the last bits are equal.
GRID = 1e6
WITHOUT_VIX = ("level", *VOLATILITIES, "fall", "rise", "slide_5", "drawdown", *FALLS)
WITH_VIX = (*WITHOUT_VIX, "vix_on_own_scale")


@dataclass(frozen=True, slots=True, eq=False)
class FittedHar:
    """log sigma = bias + columns @ weights, quantile = sigma * z; [0] without, [1] with the VIX.

    Attributes
    ----------
    weights : float64 (2, n_inputs, n_horizons)
    bias : float64 (2, n_horizons)
    steps : float64 (2, n_horizons, n_levels), z's lowest quantile and softplus^-1 of its rises
    """

    weights: Floats
    bias: Floats
    steps: Floats

    @property
    def z(self) -> Floats:
        """Quantiles of z on the grid, float64 (2, n_horizons, n_levels)."""
        z: Floats = np.round(accumulate_steps(self.steps) * GRID) / GRID
        return z

    def log_sigma(self, inputs: Inputs) -> Floats:
        """Return the logarithm of sigma, float64 (n, n_horizons)."""
        without, with_ = (self._log_sigma(inputs, variant) for variant in (0, 1))
        chosen: Floats = np.where(inputs.vix_known > 0, with_, without)
        return chosen

    def quantiles(self, inputs: Inputs) -> Floats:
        """Return quantiles of the log return, float64 (n, n_horizons, n_levels)."""
        z = np.where(inputs.vix_known[..., None] > 0, self.z[1], self.z[0])
        quantiles: Floats = np.exp(self.log_sigma(inputs))[..., None] * z
        return quantiles

    def build_graph(self) -> onnx.ModelProto:
        """Return columns, vix_known -> quantiles (n, n_horizons, n_levels), log_sigma."""
        horizons, levels = self.z.shape[1:]
        return build_model(
            har_graph,
            {"columns": (DOUBLE, ["n", len(INPUT_NAMES)]), "vix_known": (DOUBLE, ["n", 1])},
            {
                "quantiles": (DOUBLE, ["n", horizons, levels]),
                "log_sigma": (DOUBLE, ["n", horizons]),
            },
            {
                "weights_without": self.weights[0],
                "weights_with": self.weights[1],
                "bias_without": self.bias[0],
                "bias_with": self.bias[1],
                "z_without": self.z[0],
                "z_with": self.z[1],
            },
        )

    def _log_sigma(self, inputs: Inputs, variant: int) -> Floats:
        exact = self.bias[variant] + inputs.columns @ self.weights[variant]
        rounded: Floats = np.round(exact * GRID) / GRID
        return rounded


@script(default_opset=op)
def har_graph(  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    columns, vix_known, weights_without, weights_with, bias_without, bias_with, z_without, z_with
):
    """Say FittedHar.quantiles and FittedHar.log_sigma in ONNX."""
    grid = op.Cast(1000000.0, to=11)
    without = op.MatMul(columns, weights_without) + bias_without
    with_ = op.MatMul(columns, weights_with) + bias_with
    known = vix_known > 0.5
    log_sigma = op.Round(op.Where(known, with_, without) * grid) / grid
    z = op.Where(op.Unsqueeze(known, [2]), z_with, z_without)
    quantiles = op.Unsqueeze(op.Exp(log_sigma), [2]) * z
    return quantiles, log_sigma


def fit_har(rows: TrainingRows) -> FittedHar:
    """Fit all horizons, with and without the VIX.

    Where no row knows the VIX, the fit without it serves for both.
    """
    vix_known = rows.inputs.vix_known[:, 0] > 0
    with use_one_thread():
        without = _fit(rows, WITHOUT_VIX)
        with_ = _fit(rows.select(vix_known), WITH_VIX) if vix_known.any() else without
    parts = zip(without, with_, strict=True)
    return FittedHar(*(np.stack(pair) for pair in parts))


def list_har_params() -> dict[str, float]:
    """Return what was set by hand: name -> value."""
    return {"ridge": RIDGE, "inputs": len(WITHOUT_VIX), "inputs_with_vix": len(WITH_VIX)}


def accumulate_steps(steps: Floats) -> Floats:
    """Return non-decreasing quantiles: the first step, then rises of softplus of the others."""
    rises = np.logaddexp(0.0, steps[..., 1:])
    first = steps[..., :1]
    return np.concatenate([first, first + np.cumsum(rises, axis=-1)], axis=-1)


@contextmanager
def use_one_thread() -> Iterator[None]:
    """Keep sums in one order whatever the machine, and no threads waiting for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _fit(rows: TrainingRows, names: tuple[str, ...]) -> tuple[Floats, Floats, Floats]:
    chosen = [INPUT_NAMES.index(name) for name in names]
    columns, horizons = rows.inputs.columns[:, chosen], rows.returns.shape[1]
    weights = np.zeros((len(INPUT_NAMES), horizons))
    fits = [_fit_horizon(columns, rows.returns[:, i], rows.unit[:, i]) for i in range(horizons)]
    weights[chosen] = np.stack([weight for weight, _, _ in fits], axis=1)
    return weights, np.array([b for _, b, _ in fits]), np.stack([step for _, _, step in fits])


def _fit_horizon(columns: Floats, returns: Floats, unit: Floats) -> tuple[Floats, float, Floats]:
    realised = np.isfinite(returns)
    x, y = columns[realised], returns[realised]
    centre = x.mean(axis=0)
    scale = np.where(np.ptp(x, axis=0) > 0, x.std(axis=0), 1.0)
    module = _ScaledQuantiles(x.shape[1], float(np.log(y.std())))
    _minimise(module, *(torch.from_numpy(a) for a in ((x - centre) / scale, y, unit[realised])))
    weights = module.weights.detach().numpy() / scale
    return weights, module.bias.item() - float(centre @ weights), module.steps.detach().numpy()


class _ScaledQuantiles(nn.Module):
    """Quantiles exp(bias + x @ weights) * z, z increasing by construction."""

    def __init__(self, n_inputs: int, bias: float) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.zeros(n_inputs, dtype=torch.float64))
        self.bias = nn.Parameter(torch.tensor(bias, dtype=torch.float64))
        normal = torch.distributions.Normal(0.0, 1.0)
        start = normal.icdf(torch.tensor(LEVELS, dtype=torch.float64))
        steps = torch.log(torch.expm1(torch.diff(start)))
        self.steps = nn.Parameter(torch.cat([start[:1], steps]))

    def forward(self, x: Any) -> Any:
        rises = torch.cumsum(nn.functional.softplus(self.steps[1:]), dim=0)
        z = torch.cat([self.steps[:1], self.steps[:1] + rises])
        return torch.exp(self.bias + x @ self.weights)[:, None] * z


def _minimise(module: _ScaledQuantiles, x: Any, y: Any, unit: Any) -> None:
    """Minimise the pinball loss in units of recent volatility, so that calm years count too."""
    levels = torch.tensor(LEVELS, dtype=torch.float64)
    optimiser = torch.optim.LBFGS(
        module.parameters(), max_iter=ITERATIONS, tolerance_grad=1e-7, line_search_fn="strong_wolfe"
    )

    def closure() -> Any:
        optimiser.zero_grad()
        error = (y[:, None] - module(x)) / unit[:, None]
        loss = torch.maximum(levels * error, (levels - 1.0) * error).mean()
        loss = loss + RIDGE * (module.weights**2).sum()
        loss.backward()
        return loss

    optimiser.step(closure)
