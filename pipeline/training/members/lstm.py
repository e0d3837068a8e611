"""LSTM: a recurrent net over the window that corrects the range-HAR.

It adds to the logarithm of sigma, within limits, and bends the quantiles of z; its last layers
begin at zero, so that it begins as the range-HAR. Hochreiter and Schmidhuber (1997), "Long
short-term memory"; averaged weights after Polyak and Juditsky (1992).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnxscript import opset20 as op
from onnxscript import script
from torch import nn

from pipeline.bars import Floats
from pipeline.forecasting.features import LOOKBACK
from pipeline.forecasting.levels import LEVELS
from pipeline.training.graph.inputs import Inputs
from pipeline.training.graph.onnx_graph import DOUBLE, FLOAT, build_model
from pipeline.training.graph.window_graph import N_CHANNELS
from pipeline.training.members.har import FittedHar, accumulate_steps, use_one_thread

HIDDEN = 16
DROPOUT = 0.2
# How far log sigma may move.
LIMIT = 0.5
# Single precision inside; what comes out is put on a grid.
GRID = 1e4


class Net(nn.Module):
    """Channels (n, t, 14) to corrections of log sigma (n, t, 5) and of z's steps (n, t, 11)."""

    def __init__(self, horizons: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(N_CHANNELS, HIDDEN, batch_first=True)
        self.dropout = nn.Dropout(DROPOUT)
        self.head = nn.Linear(HIDDEN, horizons + len(LEVELS))
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.shift = nn.Parameter(torch.zeros(horizons))
        self.bend = nn.Parameter(torch.zeros(horizons, len(LEVELS)))

    def forward(self, channels: Any) -> Any:
        hidden, _ = self.lstm(channels)
        return self.head(self.dropout(hidden))


@dataclass(frozen=True, slots=True, eq=False)
class FittedLstm:
    """A trained net and the range-HAR that it corrects."""

    net: Net
    har: FittedHar

    def quantiles(self, inputs: Inputs) -> Floats:
        """Return quantiles of the log return, float64 (n, n_horizons, n_levels)."""
        with torch.no_grad(), use_one_thread():
            correction = self.net(torch.from_numpy(inputs.channels))[:, -1].double().numpy()
        correction = np.round(correction * GRID) / GRID
        shift, bend, steps = self._split_parameters()
        horizons = len(shift)
        moved = LIMIT * np.tanh(correction[:, :horizons] / LIMIT) + shift
        base = np.where(inputs.vix_known[..., None] > 0, steps[1], steps[0])
        z = accumulate_steps(base + correction[:, None, horizons:] + bend)
        quantiles: Floats = np.exp(self.har.log_sigma(inputs) + moved)[..., None] * z
        return quantiles

    def build_graph(self) -> onnx.ModelProto:
        """Return channels, vix_known and the range-HAR's log_sigma -> quantiles."""
        shift, bend, steps = self._split_parameters()
        horizons, levels = bend.shape
        state = {name: value.numpy() for name, value in self.net.state_dict().items()}
        return build_model(
            lstm_graph,
            {
                "channels": (FLOAT, ["n", LOOKBACK, N_CHANNELS]),
                "vix_known": (DOUBLE, ["n", 1]),
                "log_sigma": (DOUBLE, ["n", horizons]),
            },
            {"quantiles": (DOUBLE, ["n", horizons, levels])},
            {
                "weights": _reorder_gates(state["lstm.weight_ih_l0"])[None],
                "recurrence": _reorder_gates(state["lstm.weight_hh_l0"])[None],
                "biases": np.concatenate(
                    [_reorder_gates(state[f"lstm.bias_{kind}_l0"]) for kind in ("ih", "hh")]
                )[None],
                "scale_head": state["head.weight"][:horizons].T,
                "scale_bias": state["head.bias"][:horizons],
                "shape_head": state["head.weight"][horizons:].T,
                "shape_bias": state["head.bias"][horizons:],
                "shift": shift,
                "steps_without": steps[0] + bend,
                "steps_with": steps[1] + bend,
                "sum_up": np.triu(np.ones((levels, levels))),
                "rises": np.arange(levels) > 0,
            },
        )

    def _split_parameters(self) -> tuple[Floats, Floats, Floats]:
        shift = self.net.shift.detach().double().numpy()
        return shift, self.net.bend.detach().double().numpy(), self.har.steps


@script(default_opset=op)
def lstm_graph(  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    channels, vix_known, log_sigma, weights, recurrence, biases, scale_head, scale_bias,
    shape_head, shape_bias, shift, steps_without, steps_with, sum_up, rises,
):  # fmt: skip
    """Say FittedLstm.quantiles in ONNX."""
    grid = op.Cast(10000.0, to=11)
    limit = op.Cast(0.5, to=11)
    _, last, _ = op.LSTM(
        op.Transpose(channels, perm=[1, 0, 2]), weights, recurrence, biases, hidden_size=16
    )
    hidden = op.Squeeze(last, [0])
    scale_said = op.Cast(op.MatMul(hidden, scale_head) + scale_bias, to=11)
    shape_said = op.Cast(op.MatMul(hidden, shape_head) + shape_bias, to=11)
    scale = op.Round(scale_said * grid) / grid
    bent = op.Unsqueeze(op.Round(shape_said * grid) / grid, [1])
    moved = op.Tanh(scale / limit) * limit + shift
    known = op.Unsqueeze(vix_known > 0.5, [2])
    steps = op.Where(known, steps_with, steps_without) + bent
    # Softplus, written so that it neither overflows nor loses digits.
    soft = op.Max(steps, op.Cast(0.0, to=11)) + op.Log(op.Exp(-op.Abs(steps)) + 1.0)
    z = op.MatMul(op.Where(rises, soft, steps), sum_up)
    quantiles = op.Unsqueeze(op.Exp(log_sigma + moved), [2]) * z
    return quantiles  # noqa: RET504  # the name is the output's


def _reorder_gates(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return gates in ONNX's order, input output forget cell, from torch's i f c o."""
    i, f, c, o = np.split(values, 4)
    return np.concatenate([i, o, f, c])
