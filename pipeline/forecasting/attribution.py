"""Attribution: why an interval is wider or narrower than the one before, shared out exactly."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from math import factorial

import numpy as np
from numpy.typing import NDArray

from pipeline.bars import Flags, Floats
from pipeline.forecasting.calibration import apply_gains
from pipeline.forecasting.features import FEATURE_NAMES
from pipeline.forecasting.levels import INTERVALS
from pipeline.forecasting.model import Model
from pipeline.forecasting.windows import Windows

# What a change of width is shared out between, and the features of each. The anchor goes with the
# returns of the last session.
GROUPS: Mapping[str, tuple[str, ...]] = {
    "last_session": (
        "log_close",
        "overnight_return",
        "intraday_return",
        "log_range",
        "log_volatility",
    ),
    "week": ("log_volatility_5",),
    "month": ("log_volatility_22",),
    "quarter": ("log_volatility_66",),
    "falls": ("log_downside_22", "drawdown_66"),
    "days_to_next": ("days_to_next",),
    "vix": ("log_vix",),
}
CALIBRATION = "calibration"
CAUSES = (*GROUPS, CALIBRATION)
LOWER, UPPER = INTERVALS[95]


def attribute_width(
    before: Windows, now: Windows, model: Model, gains_before: Floats, gains_now: Floats
) -> Floats:
    """Return by how much each cause changed the logarithm of the 95 % interval's width.

    The causes are the features' groups, each taken whole from one window or the other, and the
    gains. Of all orders in which they can change, each cause has its mean effect: Shapley values,
    which add up to the whole change. The width is that of the log return, one session ahead.

    Parameters
    ----------
    before, now : float32 (n, 60, 12), the windows of two forecasts of each ticker
    gains_before, gains_now : float64 (n, n_horizons, n_levels)

    Returns
    -------
    float64 (n, n_causes), in the order of CAUSES; .1 is 10 % wider, as a logarithm. Not finite
    where the model answers a mix of both windows with no number, or with no width.

    Notes
    -----
    Shapley (1953), "A value for n-person games"; of groups of a model's inputs: Lundberg and Lee
    (2017), "A unified approach to interpreting model predictions", here with the window before in
    place of a mean input, and over all coalitions.
    """
    coalitions = np.array(list(product((False, True), repeat=len(GROUPS))))
    windows = _mix(before, now, coalitions)
    n, n_coalitions = windows.shape[:2]
    quantiles = model.predict(windows.reshape(-1, *windows.shape[2:])).log_return_quantiles
    quantiles = quantiles.reshape(n, n_coalitions, *quantiles.shape[1:])
    with np.errstate(divide="ignore", invalid="ignore"):
        widths = [_log_width(quantiles, gains) for gains in (gains_before, gains_now)]
        # (n, 2, 2, …): what the width is with each cause as before (0) or as now (1).
        values = np.stack(widths, axis=-1).reshape(n, *(2,) * len(CAUSES))
        return np.stack([_shapley_value(values, cause) for cause in range(len(CAUSES))], axis=-1)


def _mix(before: Windows, now: Windows, coalitions: Flags) -> Windows:
    """Return windows (n, n_coalitions, 60, 12) whose groups come from `now` where flagged."""
    member = {name: i for i, names in enumerate(GROUPS.values()) for name in names}
    flags = coalitions[:, [member[name] for name in FEATURE_NAMES]]
    return np.where(flags[None, :, None, :], now[:, None], before[:, None])


def _log_width(quantiles: Floats, gains: Floats) -> Floats:
    """Return the log width (n, n_coalitions) of calibrated quantiles, one session ahead."""
    first = apply_gains(quantiles[:, :, 0], gains[:, None, 0])
    width: Floats = np.log(first[..., UPPER] - first[..., LOWER])
    return width


def _shapley_value(values: Floats, cause: int) -> Floats:
    """Return the Shapley value (n,) of one cause, of values (n, 2, 2, …) an axis a cause."""
    effect = np.take(values, 1, axis=cause + 1) - np.take(values, 0, axis=cause + 1)
    others = effect.ndim - 1
    sizes = np.indices((2,) * others).sum(axis=0)
    weights = np.array([_weight(size, others) for size in range(others + 1)])[sizes]
    value: NDArray[np.float64] = (effect * weights).reshape(len(values), -1).sum(axis=1)
    return value


def _weight(size: int, others: int) -> float:
    """Return the share of orders in which `size` of the others come before a cause."""
    return factorial(size) * factorial(others - size) / factorial(others + 1)
