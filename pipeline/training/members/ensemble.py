"""Ensemble: members fitted one after the other, their quantiles averaged, all of it one graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx
from onnx import numpy_helper
from scipy.optimize import minimize

from pipeline.bars import Floats
from pipeline.evaluation.scoring_rules import pinball_loss
from pipeline.forecasting.calibration import calibrate_history
from pipeline.forecasting.levels import LEVELS
from pipeline.forecasting.model import OUTPUTS
from pipeline.training.graph.inputs import Inputs
from pipeline.training.graph.onnx_graph import IR_VERSION, OPSET, join_models, serialise
from pipeline.training.graph.window_graph import build_inputs_graph
from pipeline.training.members.har import fit_har, list_har_params
from pipeline.training.members.lstm_fit import fit_lstm, list_lstm_params
from pipeline.training.members.member import FittedMember, TrainingRows
from pipeline.training.members.trees import PARAMS as TREES_PARAMS
from pipeline.training.members.trees import fit_trees
from pipeline.training.tracking import NoTracking, Tracker

UPPER, LOWER = LEVELS.index(0.95), LEVELS.index(0.05)
# Slower than the record's calibrator: these gains must last without it.
GAIN_STEP = 0.01
AVERAGE_GRAPH = """
<ir_version: {ir}, opset_import: ["" : {opset}]>
average ({inputs})
    => (float[n, {horizons}, {levels}] log_return_quantiles, float[n, {horizons}] sigma)
{{
    {parts}
    mean = Sum ({all_parts})
    upper = Gather <axis = 2> (mean, upper_level)
    lower = Gather <axis = 2> (mean, lower_level)
    width = Sub (upper, lower)
    sigma_wide = Mul (width, spread)
    sigma = Cast <to = 1> (sigma_wide)
    log_return_quantiles = Cast <to = 1> (mean)
}}
"""
# Shares are shrunk halfway to equal ones, gains to neutral: a few years teach mostly noise.
SHRINKAGE = 0.5
# The newest part of the training span, on which the shares are learned.
VALIDATION = 0.2
AVERAGE = "average_"
HAR, LSTM, TREES = "range_har", "lstm", "trees"


@dataclass(frozen=True, slots=True, eq=False)
class FittedEnsemble:
    """Fitted members, the share of each and each ticker's gains.

    Attributes
    ----------
    members : name -> fitted member, the range-HAR first
    shares : name -> share, summing to 1
    spread : float64 (n_horizons,), standard deviation over the width of the 90 % interval
    gains : float64 (n_tickers, n_horizons, n_levels), the calibrator's after the validation span
    """

    members: Mapping[str, FittedMember]
    shares: Mapping[str, float]
    spread: Floats
    gains: Floats

    def quantiles(self, inputs: Inputs) -> Floats:
        """Return quantiles of the log return, float64 (n, n_horizons, n_levels)."""
        return _weighted_mean(
            {n: m.quantiles(inputs) for n, m in self.members.items()}, self.shares
        )

    def sigma(self, quantiles: Floats) -> Floats:
        """Return the standard deviation of the log return, float64 (n, n_horizons)."""
        return _width(quantiles) * self.spread

    def isolate(self, name: str) -> FittedEnsemble:
        """Return the ensemble in which one member has the whole share."""
        return replace(self, shares={n: float(n == name) for n in self.shares})

    def to_onnx(self) -> bytes:
        """Return the graph of the whole, window to log_return_quantiles and sigma."""
        graph = build_inputs_graph()
        for name, member in self.members.items():
            links = {"log_sigma": f"{HAR}_log_sigma"}
            graph = join_models(graph, member.build_graph(), f"{name}_", links)
        graph = join_models(graph, self._build_average(), AVERAGE)
        return serialise(graph, {AVERAGE + name: name for name in OUTPUTS})

    def _build_average(self) -> onnx.ModelProto:
        names = list(self.members)
        text = AVERAGE_GRAPH.format(
            ir=IR_VERSION,
            opset=OPSET,
            horizons=len(self.spread),
            levels=len(LEVELS),
            inputs=", ".join(f"double[n, h, l] {name}_quantiles" for name in names),
            parts="\n".join(f"part_{n} = Mul ({n}_quantiles, share_{n})" for n in names),
            all_parts=", ".join(f"part_{name}" for name in names),
        )
        model = onnx.parser.parse_model(text)
        constants = {f"share_{name}": np.float64(self.shares[name]) for name in names}
        levels = {"upper_level": np.int64(UPPER), "lower_level": np.int64(LOWER)}
        for name, value in {**constants, **levels, "spread": self.spread}.items():
            model.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
        return model


def fit_ensemble(rows: TrainingRows, seed: int, tracker: Tracker) -> FittedEnsemble:
    """Learn shares and gains on the newest part of the rows, then fit the members on all."""
    shares, gains = _fit_shares_and_gains(rows, seed)
    members = _fit_members(rows, seed, tracker)
    return fit_spread(members, shares, gains, rows)


def fit_spread(
    members: Mapping[str, FittedMember],
    shares: Mapping[str, float],
    gains: Floats,
    rows: TrainingRows,
) -> FittedEnsemble:
    """Return the ensemble whose sigma is the standard deviation of the returns of `rows`."""
    raw = FittedEnsemble(members, shares, np.ones(rows.returns.shape[1]), gains)
    width = _width(raw.quantiles(rows.inputs))
    return replace(raw, spread=np.sqrt(np.nanmean((rows.returns / width) ** 2, axis=0)))


def _fit_members(rows: TrainingRows, seed: int, tracker: Tracker) -> dict[str, FittedMember]:
    common: dict[str, object] = {"rows": len(rows.origin), "seed": seed}
    with tracker.start_member(HAR, {**common, **list_har_params()}):
        har = fit_har(rows)
    with tracker.start_member(LSTM, {**common, **list_lstm_params()}) as run:
        lstm = fit_lstm(rows, har, seed, run.log_metric)
    with tracker.start_member(TREES, {**common, **TREES_PARAMS}):
        trees = fit_trees(rows, seed)
    return {HAR: har, LSTM: lstm, TREES: trees}


def _fit_shares_and_gains(rows: TrainingRows, seed: int) -> tuple[dict[str, float], Floats]:
    """Return shares and gains by the forecasts of the newest rows from fits on older ones."""
    sessions = np.unique(rows.origin)
    cut = sessions[int(len(sessions) * (1 - VALIDATION))]
    # No target learnt from may lie among the validated origins.
    embargo = sessions[np.searchsorted(sessions, cut) - rows.returns.shape[1]]
    members = _fit_members(rows.select(rows.origin < embargo), seed, NoTracking())
    newest = rows.select(rows.origin >= cut)
    quantiles = {name: member.quantiles(newest.inputs) for name, member in members.items()}
    shares = _fit_shares(quantiles, newest)
    return shares, _fit_gains(_weighted_mean(quantiles, shares), newest)


def _fit_gains(quantiles: Floats, rows: TrainingRows) -> Floats:
    """Return each ticker's gains after its last row, shrunk halfway to neutral."""
    of_tickers = [rows.ticker == ticker for ticker in range(rows.ticker.max() + 1)]
    gains = [
        calibrate_history(quantiles[chosen], rows.returns[chosen], lambda _: GAIN_STEP)[1]
        for chosen in of_tickers
    ]
    shrunk: Floats = np.stack(gains) ** (1 - SHRINKAGE)
    return shrunk


def _fit_shares(quantiles: Mapping[str, Floats], rows: TrainingRows) -> dict[str, float]:
    """Return shares of least pinball loss in units of volatility, shrunk to equal ones."""
    names, levels = list(quantiles), np.array(LEVELS)

    def softmax(logits: Floats) -> Floats:
        weights = np.exp(logits - logits.max())
        shares: Floats = weights / weights.sum()
        return shares

    def loss(logits: Floats) -> float:
        mean = _weighted_mean(quantiles, dict(zip(names, softmax(logits), strict=True)))
        losses = pinball_loss(mean, rows.returns[..., None], levels) / rows.unit[..., None]
        return float(np.nanmean(losses))

    simplex = np.vstack([np.zeros(len(names)), 1.5 * np.eye(len(names))])
    options = {"maxiter": 100, "xatol": 0.02, "fatol": 1e-7, "initial_simplex": simplex}
    optimum = minimize(loss, simplex[0], method="Nelder-Mead", options=options)
    learned = (1 - SHRINKAGE) * softmax(optimum.x) + SHRINKAGE / len(names)
    return {name: float(share) for name, share in zip(names, learned, strict=True)}


def _weighted_mean(quantiles: Mapping[str, Floats], shares: Mapping[str, float]) -> Floats:
    parts: Sequence[Floats] = [shares[name] * values for name, values in quantiles.items()]
    mean: Floats = np.sum(parts, axis=0)
    return mean


def _width(quantiles: Floats) -> Floats:
    """Return the width of the 90 % interval."""
    return quantiles[..., UPPER] - quantiles[..., LOWER]
