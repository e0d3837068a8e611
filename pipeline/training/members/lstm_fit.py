"""Training of the LSTM: random windows, disturbed, and the loss of their last sessions."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from pipeline.forecasting.levels import LEVELS
from pipeline.training.graph.window_graph import N_CHANNELS
from pipeline.training.members.har import FittedHar, use_one_thread
from pipeline.training.members.lstm import DROPOUT, HIDDEN, LIMIT, FittedLstm, Net
from pipeline.training.members.member import TrainingRows

STEPS = 900
BATCH = 128
# The loss counts the last sessions of a window, where the net has read enough of it.
COUNTED = 30
LEARNING_RATE = 2e-3
DECAY = 1e-3
NOISE = 0.8
WITHOUT_VIX_SHARE = 0.3
AVERAGING = 0.99
# Steps between two losses that are logged.
LOSS_EVERY = 100


def fit_lstm(
    rows: TrainingRows, har: FittedHar, seed: int, log_metric: Callable[[str, float, int], None]
) -> FittedLstm:
    """Train a net on top of a fitted range-HAR; `log_metric` receives the loss as it goes."""
    with use_one_thread(), torch.random.fork_rng():
        torch.manual_seed(seed)
        net = Net(rows.returns.shape[1])
        averaged = _train(net, _Batches(rows, har, seed), log_metric)
    return FittedLstm(averaged.eval(), har)


def list_lstm_params() -> dict[str, float]:
    """Return what was set by hand: name -> value."""
    return {
        "hidden": HIDDEN,
        "steps": STEPS,
        "batch": BATCH,
        "counted_sessions": COUNTED,
        "learning_rate": LEARNING_RATE,
        "weight_decay": DECAY,
        "dropout": DROPOUT,
        "noise": NOISE,
        "without_vix_share": WITHOUT_VIX_SHARE,
    }


def _train(net: Net, batches: _Batches, log_metric: Callable[[str, float, int], None]) -> Net:
    optimiser = torch.optim.AdamW(net.parameters(), lr=LEARNING_RATE, weight_decay=DECAY)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
    averaged = copy.deepcopy(net)
    total = 0.0
    for step in range(STEPS):
        loss = batches.loss(net)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        cosine.step()
        share = 1 - min(AVERAGING, 1 - 1 / (step + 1))
        for mean, new in zip(averaged.parameters(), net.parameters(), strict=True):
            mean.data.lerp_(new.data, share)
        total += loss.item()
        if (step + 1) % LOSS_EVERY == 0:
            log_metric("loss", total / LOSS_EVERY, step + 1)
            total = 0.0
    return averaged


class _Batches:
    """Random windows with the pinball loss of their last sessions, in units of volatility."""

    def __init__(self, rows: TrainingRows, har: FittedHar, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self._noise = torch.Generator().manual_seed(seed)
        self._channels = torch.from_numpy(rows.inputs.channels)
        self._vix_known = torch.from_numpy(rows.inputs.vix_known[:, 0] > 0)
        variants = (rows.inputs.hide_vix(), rows.inputs)
        self._log_sigma = torch.from_numpy(np.stack([har.log_sigma(v) for v in variants])).float()
        self._steps = torch.from_numpy(har.steps).float()
        self._returns = torch.from_numpy(rows.returns).float()
        self._unit = torch.from_numpy(rows.unit).float()
        self._levels = torch.tensor(LEVELS)
        self._ends = _find_window_ends(rows.ticker)

    def loss(self, net: Net) -> Any:
        """Return the loss of one random batch."""
        ends = torch.from_numpy(self._random.choice(self._ends, BATCH))
        hidden = torch.from_numpy(self._random.random(BATCH) < WITHOUT_VIX_SHARE)
        vix_known = (self._vix_known[ends] & ~hidden).long()
        counted = ends[:, None] + torch.arange(1 - COUNTED, 1)
        correction = net(self._disturb(self._channels[ends], vix_known))[:, -COUNTED:]
        quantiles = self._quantiles(net, correction, counted, vix_known)
        error = (self._returns[counted][..., None] - quantiles) / self._unit[counted][..., None]
        loss = torch.maximum(self._levels * error, (self._levels - 1.0) * error)
        return torch.nanmean(loss)

    def _disturb(self, channels: Any, vix_known: Any) -> Any:
        """Shift each window's channels at random: what the net learns must not hang on levels."""
        noise = NOISE * torch.randn((len(channels), 1, N_CHANNELS), generator=self._noise)
        noise[..., -1] = 0.0
        channels = channels + noise
        channels[..., -2:] *= vix_known[:, None, None]
        return channels

    def _quantiles(self, net: Net, correction: Any, counted: Any, vix_known: Any) -> Any:
        horizons = self._returns.shape[1]
        moved = LIMIT * torch.tanh(correction[..., :horizons] / LIMIT) + net.shift
        log_sigma = self._log_sigma[vix_known[:, None], counted] + moved
        steps = self._steps[vix_known][:, None] + correction[..., None, horizons:] + net.bend
        rises = torch.cumsum(nn.functional.softplus(steps[..., 1:]), dim=-1)
        z = torch.cat([steps[..., :1], steps[..., :1] + rises], dim=-1)
        return torch.exp(log_sigma)[..., None] * z


def _find_window_ends(ticker: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the rows that have COUNTED rows of their own ticker up to them."""
    ends = np.arange(COUNTED - 1, len(ticker))
    window_ends: NDArray[np.intp] = ends[ticker[ends] == ticker[ends - COUNTED + 1]]
    return window_ends
