"""Range-HAR: volatility from ranges of the last 1, 5, 22, 66 sessions, quantiles of z = r / sigma.

The heterogeneous autoregression of Corsi (2009) in logarithms of range-based volatility, with
leverage terms; per horizon the weights and the quantiles of z are fitted together by the pinball
loss of the return in units of its recent volatility.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from pipeline.bars import Floats
from pipeline.features import FEATURE_NAMES
from pipeline.intervals import LEVELS
from pipeline.windows import Windows

SHOCK_LIMIT = 3.0
SLIDE_LIMIT = 2.5
SLIDE_SESSIONS = 5
RIDGE = 1e-4
INPUT_NAMES = (
    "log_volatility",
    "log_volatility_5",
    "log_volatility_22",
    "log_volatility_66",
    "log_downside_22",
    "log_range",
    "fall",
    "rise",
    "slide",
)
REFERENCE = INPUT_NAMES.index("log_volatility_22")


@dataclass(frozen=True, slots=True, eq=False)
class RangeHar:
    """Fitted parameters: sigma = exp(bias + inputs @ weights), quantile = sigma * z.

    Attributes
    ----------
    weights : float64 (9, n_horizons)
    bias : float64 (n_horizons,)
    z : float64 (n_horizons, n_levels), quantiles of the return in units of sigma
    """

    weights: Floats
    bias: Floats
    z: Floats

    def quantiles(self, inputs: Floats) -> tuple[Floats, Floats]:
        """Return quantiles (n, n_horizons, n_levels) and sigma (n, n_horizons) of inputs (n, 9)."""
        sigma: Floats = np.exp(self.bias + inputs @ self.weights)
        return sigma[..., None] * self.z, sigma


def har_inputs(windows: Windows) -> Floats:
    """Return the regression's inputs float64 (n, 9) of windows float32 (n, 60, 12)."""
    last = windows[:, -1].astype(np.float64)
    column = {name: last[:, i] for i, name in enumerate(FEATURE_NAMES)}
    volatility = np.exp(column["log_volatility_22"])
    shock = (column["overnight_return"] + column["intraday_return"]) / volatility
    before = windows[:, -1 - SLIDE_SESSIONS, 0].astype(np.float64)
    slide = (column["log_close"] - before) / (volatility * np.sqrt(SLIDE_SESSIONS))
    made = {
        "fall": np.clip(shock, -SHOCK_LIMIT, 0.0),
        "rise": np.clip(shock, 0.0, SHOCK_LIMIT),
        "slide": np.clip(slide, -SLIDE_LIMIT, 0.0),
    }
    return np.stack([(column | made)[name] for name in INPUT_NAMES], axis=1)


def fit_range_har(inputs: Floats, returns: Floats) -> RangeHar:
    """Fit all horizons.

    Parameters
    ----------
    inputs : float64 (n, 9), of har_inputs
    returns : float64 (n, n_horizons), realised log returns; NaN where unknown

    Notes
    -----
    z is rescaled so that sigma is the standard deviation of the log return over the horizon.
    """
    with _one_thread():
        fits = [_fit_horizon(inputs, returns[:, i], i + 1) for i in range(returns.shape[1])]
    return RangeHar(
        weights=np.stack([weights for weights, _, _ in fits], axis=1),
        bias=np.array([bias for _, bias, _ in fits]),
        z=np.stack([z for _, _, z in fits]),
    )


def _fit_horizon(inputs: Floats, returns: Floats, horizon: int) -> tuple[Floats, float, Floats]:
    known = np.isfinite(returns)
    x, y = inputs[known], returns[known]
    centre = x.mean(axis=0)
    scale = np.where(np.ptp(x, axis=0) > 0, x.std(axis=0), 1.0)
    unit = np.exp(x[:, REFERENCE]) * np.sqrt(horizon)
    module = _Scaled(x.shape[1], float(np.log(y.std())))
    _minimise(module, *(torch.from_numpy(a) for a in ((x - centre) / scale, y, unit)))
    weights = module.weights.detach().numpy() / scale
    bias = module.bias.item() - float(centre @ weights)
    spread = (y / np.exp(bias + x @ weights)).std()
    return weights, float(bias + np.log(spread)), module.z().detach().numpy() / spread


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep sums in one order whatever the machine, and no threads waiting for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class _Scaled(nn.Module):
    """Quantiles exp(bias + x @ weights) * z, z increasing by construction."""

    def __init__(self, n_inputs: int, bias: float) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.zeros(n_inputs, dtype=torch.float64))
        self.bias = nn.Parameter(torch.tensor(bias, dtype=torch.float64))
        normal = torch.distributions.Normal(0.0, 1.0)
        start = normal.icdf(torch.tensor(LEVELS, dtype=torch.float64))
        steps = torch.log(torch.expm1(torch.diff(start)))
        self.steps = nn.Parameter(torch.cat([start[:1], steps]))

    def z(self) -> Any:
        rises = nn.functional.softplus(self.steps[1:])
        return torch.cat([self.steps[:1], self.steps[:1] + torch.cumsum(rises, dim=0)])

    def forward(self, x: Any) -> Any:
        return torch.exp(self.bias + x @ self.weights)[:, None] * self.z()


def _minimise(module: _Scaled, x: Any, y: Any, unit: Any) -> None:
    """Minimise the pinball loss in units of recent volatility, so that calm years count too."""
    levels = torch.tensor(LEVELS, dtype=torch.float64)
    optimiser = torch.optim.LBFGS(
        module.parameters(), max_iter=200, tolerance_grad=1e-9, line_search_fn="strong_wolfe"
    )

    def closure() -> Any:
        optimiser.zero_grad()
        error = (y[:, None] - module(x)) / unit[:, None]
        loss = torch.maximum(levels * error, (levels - 1.0) * error).mean()
        loss = loss + RIDGE * (module.weights**2).sum()
        loss.backward()
        return loss

    optimiser.step(closure)
