"""Inputs: what the members read of a window, written once, as the graph that is shipped.

Training runs the same ONNX nodes that every bundle begins with, so the two cannot differ.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from pipeline.bars import Floats
from pipeline.forecasting.windows import Windows
from pipeline.training.graph.onnx_graph import serialise
from pipeline.training.graph.window_graph import INPUT_NAMES, VIX_NAMES, build_inputs_graph

BATCH = 2048


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """The graph's outputs for n windows.

    Attributes
    ----------
    columns : float64 (n, n_inputs), in the order of INPUT_NAMES; the VIX's are 0 where unknown
    channels : float32 (n, 60, 14), the window as a recurrent net reads it
    vix_known : float64 (n, 1), 1 where every session of the window has a VIX, else 0
    """

    columns: Floats
    channels: NDArray[np.float32]
    vix_known: Floats

    def select_column(self, name: str) -> Floats:
        """Return one input, float64 (n,)."""
        return self.columns[:, INPUT_NAMES.index(name)]

    def hide_vix(self) -> Inputs:
        """Return the same windows as if no VIX were known."""
        columns, channels = self.columns.copy(), self.channels.copy()
        columns[:, -len(VIX_NAMES) :] = 0.0
        channels[..., -2:] = 0.0
        return Inputs(columns, channels, np.zeros_like(self.vix_known))

    def select(self, chosen: NDArray[np.intp] | NDArray[np.bool_]) -> Inputs:
        """Return some of the windows."""
        return Inputs(self.columns[chosen], self.channels[chosen], self.vix_known[chosen])


def derive(windows: Windows) -> Inputs:
    """Return the inputs of windows float32 (n, 60, 12), by the graph that bundles begin with."""
    columns, channels, vix_known = (
        np.concatenate(part) for part in zip(*_run_batches(windows), strict=True)
    )
    return Inputs(columns, channels, vix_known)


def _run_batches(windows: Windows) -> Iterator[list[NDArray[np.float64]]]:
    session = _open_session()
    for start in range(0, len(windows), BATCH):
        feed = {"window": np.ascontiguousarray(windows[start : start + BATCH])}
        yield session.run(["columns", "channels", "vix_known"], feed)


@cache
def _open_session() -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(serialise(build_inputs_graph()), options)
