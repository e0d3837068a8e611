"""Model: windows to quantiles of log return, by ONNX Runtime."""

from __future__ import annotations

import os
from dataclasses import dataclass
from threading import Timer

import numpy as np

# ONNX Runtime reports to its maker unless told otherwise before it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from pipeline.bars import Flags, Floats
from pipeline.errors import BundleMismatch, NonFiniteOutput, RequestError
from pipeline.forecasting.bundle import ModelBundle
from pipeline.forecasting.features import LOOKBACK, N_FEATURES

INPUT = "window"
OUTPUTS = ("log_return_quantiles", "sigma")
# Bounds the memory of a long backtest; rows do not influence each other.
BATCH = 512
ORT_ERRORS = (
    ort_errors.InvalidProtobuf,
    ort_errors.InvalidGraph,
    ort_errors.InvalidArgument,
    ort_errors.NotImplemented,
    ort_errors.Fail,
    ort_errors.RuntimeException,
)


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """What the model says of n windows.

    Attributes
    ----------
    log_return_quantiles : float64 (n, n_horizons, n_levels), non-decreasing along levels
    sigma : float64 (n, n_horizons), standard deviation of the log return over the horizon
    """

    log_return_quantiles: Floats
    sigma: Floats

    @property
    def finite(self) -> Flags:
        """Whether everything said of a window is a finite number, bool (n,)."""
        total = self.log_return_quantiles.sum(axis=(1, 2)) + self.sigma.sum(axis=1)
        flags: Flags = np.isfinite(total)
        return flags

    def require_finite(self) -> None:
        """Raise NonFiniteOutput if any number is NaN or infinite."""
        if not self.finite.all():
            row = int(np.argmin(self.finite))
            raise NonFiniteOutput(f"expected finite quantiles, got NaN or infinity in row {row}")


class Model:
    """One ONNX Runtime session on the bundle's graph; made once, used for every call.

    Raises
    ------
    BundleMismatch
        When the graph cannot be loaded or its inputs and outputs are not as the manifest says.
    """

    def __init__(self, bundle: ModelBundle, options: ort.SessionOptions | None = None) -> None:
        self.bundle = bundle
        self.manifest = bundle.manifest
        try:
            self._session = ort.InferenceSession(
                bundle.onnx, options or session_options(), providers=["CPUExecutionProvider"]
            )
        except ORT_ERRORS as exc:
            raise BundleMismatch(
                f"{bundle.version}: ONNX Runtime cannot load it: {str(exc):.500}"
            ) from exc
        self._check_contract(bundle)

    def predict(self, windows: NDArray[np.float32]) -> Prediction:
        """Return the prediction for windows float32 (n, 60, 12); RequestError for other shapes."""
        if windows.ndim != 3 or windows.shape[1:] != (LOOKBACK, N_FEATURES):
            raise RequestError(
                f"expected windows of shape (n, {LOOKBACK}, {N_FEATURES}), got {windows.shape}"
            )
        horizons, levels = len(self.manifest.horizons), len(self.manifest.levels)
        quantiles = np.empty((len(windows), horizons, levels))
        sigma = np.empty((len(windows), horizons))
        # No windows, no call: ONNX Runtime's LSTM aborts the process on an empty batch.
        for start in range(0, len(windows), BATCH):
            rows = slice(start, start + BATCH)
            quantiles[rows], sigma[rows] = self._run(windows[rows])
        return Prediction(quantiles, sigma)

    def try_out(self, seconds: float) -> None:
        """Run once on a window of zeros; raises BundleMismatch where that takes longer or fails."""
        options = ort.RunOptions()
        timer = Timer(seconds, setattr, (options, "terminate", True))
        timer.start()
        try:
            self._run(np.zeros((1, LOOKBACK, N_FEATURES), np.float32), options)
        finally:
            timer.cancel()

    def _run(
        self, windows: NDArray[np.float32], options: ort.RunOptions | None = None
    ) -> list[NDArray[np.float32]]:
        feed = {INPUT: np.ascontiguousarray(windows, np.float32)}
        version = self.manifest.model_version
        try:
            outputs: list[NDArray[np.float32]] = self._session.run(OUTPUTS, feed, options)
        except ORT_ERRORS as exc:
            raise BundleMismatch(f"{version}: ONNX Runtime cannot run it: {str(exc):.500}") from exc
        horizons, levels = len(self.manifest.horizons), len(self.manifest.levels)
        expected = [(len(windows), horizons, levels), (len(windows), horizons)]
        if (received := [output.shape for output in outputs]) != expected:
            raise BundleMismatch(f"{version}: expected outputs of {expected}, got {received}")
        return outputs

    def _check_contract(self, bundle: ModelBundle) -> None:
        horizons, levels = len(bundle.manifest.horizons), len(bundle.manifest.levels)
        expected = {
            INPUT: [LOOKBACK, N_FEATURES],
            OUTPUTS[0]: [horizons, levels],
            OUTPUTS[1]: [horizons],
        }
        nodes = [*self._session.get_inputs(), *self._session.get_outputs()]
        received = {node.name: node.shape[1:] for node in nodes if node.type == "tensor(float)"}
        if received != expected or any(isinstance(node.shape[0], int) for node in nodes):
            raise BundleMismatch(
                f"{bundle.version}: expected float tensors {expected} after a dynamic first axis, "
                f"got {received}"
            )


def session_options() -> ort.SessionOptions:
    """One thread, in order, no spinning: the default pool is sized by the host's cores."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.log_severity_level = 3
    return options
