"""Ensemble: members fitted one after the other, their quantiles averaged, all of it one graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnxscript import opset20 as op
from onnxscript import script
from scipy.optimize import minimize

from pipeline.bars import Floats
from pipeline.intervals import LEVELS
from pipeline.model import OUTPUTS
from pipeline.scoring import pinball_loss
from pipeline.training.graph import DOUBLE, FLOAT, finished, joined, model_of
from pipeline.training.har import fit_har
from pipeline.training.inputs import Inputs, inputs_graph
from pipeline.training.lstm import fit_lstm
from pipeline.training.members import FittedMember, TrainingRows
from pipeline.training.tracking import Tracker
from pipeline.training.trees import fit_trees

# Shrunk halfway to equal shares: weights learned on a few years are mostly noise.
SHRINKAGE = 0.5
# The newest part of the training span, on which the shares are learned.
VALIDATION = 0.2
AVERAGE = "average_"
HAR, LSTM, TREES = "range_har", "lstm", "trees"


@dataclass(frozen=True, slots=True, eq=False)
class FittedEnsemble:
    """Fitted members and the share of each; `spread` makes sigma the standard deviation.

    Attributes
    ----------
    members : name -> fitted member, the range-HAR first
    shares : name -> share, summing to 1
    spread : float64 (n_horizons,), standard deviation over the width of the 90 % interval
    """

    members: Mapping[str, FittedMember]
    shares: Mapping[str, float]
    spread: Floats

    def quantiles(self, inputs: Inputs) -> Floats:
        """Return quantiles of the log return, float64 (n, n_horizons, n_levels)."""
        return _mean({n: m.quantiles(inputs) for n, m in self.members.items()}, self.shares)

    def sigma(self, quantiles: Floats) -> Floats:
        """Return the standard deviation of the log return, float64 (n, n_horizons)."""
        return _width(quantiles) * self.spread

    def alone(self, name: str) -> FittedEnsemble:
        """Return the ensemble in which one member has all the say."""
        return FittedEnsemble(self.members, {n: float(n == name) for n in self.shares}, self.spread)

    def to_onnx(self) -> bytes:
        """Return the graph of the whole, window to log_return_quantiles and sigma."""
        graph = inputs_graph()
        for name, member in self.members.items():
            links = {"log_sigma": f"{HAR}_log_sigma"}
            graph = joined(graph, member.graph(), f"{name}_", links)
        graph = joined(graph, self._average(), AVERAGE)
        return finished(graph, {AVERAGE + name: name for name in OUTPUTS})

    def _average(self) -> onnx.ModelProto:
        horizons, levels = len(self.spread), len(LEVELS)
        quantiles = {
            f"{name}_quantiles": (DOUBLE, ["n", horizons, levels]) for name in self.members
        }
        return model_of(
            average_graph,
            quantiles,
            {
                "log_return_quantiles": (FLOAT, ["n", horizons, levels]),
                "sigma": (FLOAT, ["n", horizons]),
            },
            {
                "shares": np.array([self.shares[name] for name in self.members]),
                "spread": self.spread,
            },
        )


@script(default_opset=op)
def average_graph(range_har_quantiles, lstm_quantiles, trees_quantiles, shares, spread):  # type: ignore[no-untyped-def]
    """Say FittedEnsemble.quantiles and FittedEnsemble.sigma in ONNX."""
    mean = (
        range_har_quantiles * op.Gather(shares, [0])
        + lstm_quantiles * op.Gather(shares, [1])
        + trees_quantiles * op.Gather(shares, [2])
    )
    upper = op.Squeeze(op.Gather(mean, [8], axis=2), [2])
    lower = op.Squeeze(op.Gather(mean, [2], axis=2), [2])
    sigma = op.Cast((upper - lower) * spread, to=1)
    log_return_quantiles = op.Cast(mean, to=1)
    return log_return_quantiles, sigma


def fit_ensemble(rows: TrainingRows, seed: int, tracker: Tracker) -> FittedEnsemble:
    """Learn the shares on the newest part of the rows, then fit the members on all of them."""
    shares = _learned_shares(rows, seed, tracker)
    members = _fit_members(rows, seed, tracker)
    ensemble = FittedEnsemble(members, shares, np.ones(rows.returns.shape[1]))
    width = _width(ensemble.quantiles(rows.inputs))
    spread: Floats = np.sqrt(np.nanmean((rows.returns / width) ** 2, axis=0))
    return FittedEnsemble(members, shares, spread)


def _fit_members(rows: TrainingRows, seed: int, tracker: Tracker) -> dict[str, FittedMember]:
    with tracker.member(HAR, {"rows": len(rows.origin)}):
        har = fit_har(rows)
    with tracker.member(LSTM, {"rows": len(rows.origin), "seed": seed}) as run:
        lstm = fit_lstm(rows, har, seed, run.metric)
    with tracker.member(TREES, {"rows": len(rows.origin), "seed": seed}):
        trees = fit_trees(rows, seed)
    return {HAR: har, LSTM: lstm, TREES: trees}


def _learned_shares(rows: TrainingRows, seed: int, tracker: Tracker) -> dict[str, float]:
    sessions = np.unique(rows.origin)
    cut = sessions[int(len(sessions) * (1 - VALIDATION))]
    # No target learnt from may lie among the validated origins.
    embargo = sessions[np.searchsorted(sessions, cut) - rows.returns.shape[1]]
    members = _fit_members(rows.rows(rows.origin < embargo), seed, tracker)
    newest = rows.rows(rows.origin >= cut)
    quantiles = {name: member.quantiles(newest.inputs) for name, member in members.items()}
    return _best_shares(quantiles, newest)


def _best_shares(quantiles: Mapping[str, Floats], rows: TrainingRows) -> dict[str, float]:
    """Return shares of least pinball loss in units of volatility, shrunk to equal ones."""
    names, levels = list(quantiles), np.array(LEVELS)

    def shares_of(logits: Floats) -> Floats:
        weights = np.exp(logits - logits.max())
        shares: Floats = weights / weights.sum()
        return shares

    def loss(logits: Floats) -> float:
        mean = _mean(quantiles, dict(zip(names, shares_of(logits), strict=True)))
        losses = pinball_loss(mean, rows.returns[..., None], levels) / rows.unit[..., None]
        return float(np.nanmean(losses))

    simplex = np.vstack([np.zeros(len(names)), 1.5 * np.eye(len(names))])
    options = {"maxiter": 100, "xatol": 0.02, "fatol": 1e-7, "initial_simplex": simplex}
    found = minimize(loss, simplex[0], method="Nelder-Mead", options=options)
    learned = (1 - SHRINKAGE) * shares_of(found.x) + SHRINKAGE / len(names)
    return {name: float(share) for name, share in zip(names, learned, strict=True)}


def _mean(quantiles: Mapping[str, Floats], shares: Mapping[str, float]) -> Floats:
    parts: Sequence[Floats] = [shares[name] * values for name, values in quantiles.items()]
    mean: Floats = np.sum(parts, axis=0)
    return mean


def _width(quantiles: Floats) -> Floats:
    """Return the width of the 90 % interval."""
    upper, lower = LEVELS.index(0.95), LEVELS.index(0.05)
    return quantiles[..., upper] - quantiles[..., lower]
