"""Members of the ensemble: what each learns from, and what a fitted one can do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import onnx
from numpy.typing import NDArray

from pipeline.bars import Floats, Sessions
from pipeline.training.graph.inputs import Inputs


@dataclass(frozen=True, slots=True, eq=False)
class TrainingRows:
    """What every member learns from: n windows of all tickers and their realised returns.

    Attributes
    ----------
    inputs : of n windows, each ticker's in time order, one ticker after the other
    returns : float64 (n, 5), log return to each horizon; NaN where not yet realised
    origin : datetime64[D] (n,)
    ticker : int (n,), the ticker's position
    """

    inputs: Inputs
    returns: Floats
    origin: Sessions
    ticker: NDArray[np.intp]

    @property
    def unit(self) -> Floats:
        """Recent volatility over each horizon, float64 (n, 5): what losses are measured in."""
        horizons = np.arange(1, self.returns.shape[1] + 1)
        unit: Floats = np.exp(self.inputs.select_column("level"))[:, None] * np.sqrt(horizons)
        return unit

    def select(self, chosen: NDArray[np.bool_]) -> TrainingRows:
        """Return some of the rows."""
        return TrainingRows(
            self.inputs.select(chosen),
            self.returns[chosen],
            self.origin[chosen],
            self.ticker[chosen],
        )


class FittedMember(Protocol):
    """One fitted member.

    `quantiles` are those of the log return, float64 (n, 5, 11), non-decreasing along levels.
    `build_graph` returns the same in ONNX: from some of columns (n, n_inputs), channels
    (n, 60, 14) and vix_known (n, 1), double but for channels in single precision, to quantiles
    double (n, 5, 11).
    """

    def quantiles(self, inputs: Inputs) -> Floats: ...

    def build_graph(self) -> onnx.ModelProto: ...
