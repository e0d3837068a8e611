"""The window's graph: the ONNX nodes with which every bundle begins, and which training runs.

All is in double precision: rows then do not depend on the size of their batch. Volatilities are
relative to the one over 22 sessions and moves in its units, so that calm and wild tickers look
alike.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnxscript import opset20 as op
from onnxscript import script

from pipeline.bars import Floats
from pipeline.forecasting.features import LOOKBACK, N_FEATURES
from pipeline.training.graph.onnx_graph import DOUBLE, FLOAT, build_model

HALF_LIVES = (1, 3, 8, 20)
VOLATILITIES = (
    "volatility_1",
    "range_1",
    "volatility_5",
    "volatility_66",
    "downside_22",
    *(f"volatility_half_life_{h}" for h in HALF_LIVES),
    "volatility_60",
)
FALLS = tuple(f"falls_half_life_{h}" for h in HALF_LIVES)
VIX_NAMES = ("vix_on_own_scale", "vix_rise", "vix_over_volatility")
INPUT_NAMES = (
    "level",
    *VOLATILITIES,
    "fall",
    "rise",
    "slide_5",
    "climb_5",
    "slide_22",
    "drawdown",
    *FALLS,
    "close_to_close",
    "overnight_share",
    "volatility_of_volatility",
    "weekend",
    *VIX_NAMES,
)
N_CHANNELS = 14


def build_inputs_graph() -> onnx.ModelProto:
    """Return the model window -> columns, channels, vix_known, with which every bundle begins."""
    return build_model(
        read_window,
        {"window": (FLOAT, ["n", LOOKBACK, N_FEATURES])},
        {
            "columns": (DOUBLE, ["n", len(INPUT_NAMES)]),
            "channels": (FLOAT, ["n", LOOKBACK, N_CHANNELS]),
            "vix_known": (DOUBLE, ["n", 1]),
        },
        # The VIX is in percent a year.
        {"smooth": smoothing_weights(), "log_vix_unit": np.log(100 * np.sqrt(252))},
    )


def smoothing_weights() -> Floats:
    """Return weights float64 (60, 4) of exponential means by half-life, newest session last."""
    age = np.arange(LOOKBACK - 1, -1, -1)[:, None]
    weights = 0.5 ** (age / np.array(HALF_LIVES))
    normalised: Floats = weights / weights.sum(axis=0)
    return normalised


# One long function: a call of another one would stay a call in the graph, to a function of the
# file's own, which compose renames and few tools read; inlined, every node would change its name.
@script(default_opset=op)
def read_window(window, smooth, log_vix_unit):  # type: ignore[no-untyped-def]
    """Return columns (n, n_inputs), channels (n, 60, 14) and vix_known (n, 1)."""
    wide = op.Cast(window, to=11)
    (
        close_,
        overnight_,
        intraday_,
        range_,
        lv_,
        lv5_,
        lv22_,
        lv66_,
        down_,
        drawdown_,
        days_,
        vix_,
    ) = op.Split(wide, num_outputs=12, axis=2)
    close = op.Squeeze(close_, [2])
    overnight = op.Squeeze(overnight_, [2])
    lv = op.Squeeze(lv_, [2])
    lv22 = op.Squeeze(lv22_, [2])
    vix = op.Squeeze(vix_, [2])

    volatility_ = op.Exp(lv22_)
    move_ = overnight_ + intraday_
    shock_ = move_ / volatility_
    shock = op.Clip(op.Squeeze(shock_, [2]), op.Cast(-3.0, to=11), op.Cast(3.0, to=11))
    zero = op.Cast(0.0, to=11)
    falling = op.Min(shock, zero)
    vix_known = op.ReduceMin(op.Cast(vix > 0.0, to=11), [1], keepdims=1)
    known_ = op.Unsqueeze(vix_known, [2])

    level = op.Gather(lv22, [59], axis=1)
    volatility = op.Exp(level)
    today = op.Gather(shock, [59], axis=1)
    last_close = op.Gather(close, [59], axis=1)
    change_5 = (last_close - op.Gather(close, [54], axis=1)) / (
        volatility * op.Sqrt(op.Cast(5.0, to=11))
    )
    change_22 = (last_close - op.Gather(close, [37], axis=1)) / (
        volatility * op.Sqrt(op.Cast(22.0, to=11))
    )
    low = op.Cast(-2.5, to=11)
    high = op.Cast(2.5, to=11)
    fallen_ = op.Clip(drawdown_ / volatility_ / 8.0, op.Cast(-1.5, to=11), zero)
    mean_lv = op.ReduceMean(lv, [1], keepdims=1) - level
    range_variance = op.ReduceMean(op.Exp(lv * 2.0), [1], keepdims=1)
    tiny = op.Cast(1e-8, to=11)
    move_variance = op.Squeeze(op.ReduceMean(move_ * move_, [1], keepdims=1), [2]) + tiny
    overnight_variance = op.ReduceMean(overnight * overnight, [1], keepdims=1) + tiny
    wobble = lv - lv22
    vix_rise = (op.Gather(vix, [59], axis=1) - op.ReduceMean(vix, [1], keepdims=1)) * vix_known
    vix_over_ = (vix_ - lv22_ - log_vix_unit) * known_
    weekend_ = op.Cast(days_ > 1.5, to=11)
    columns = op.Concat(
        level,
        op.Gather(lv, [59], axis=1) - level,
        op.Squeeze(op.Gather(range_, [59], axis=1), [2]) - level,
        op.Squeeze(op.Gather(lv5_, [59], axis=1), [2]) - level,
        op.Squeeze(op.Gather(lv66_, [59], axis=1), [2]) - level,
        op.Squeeze(op.Gather(down_, [59], axis=1), [2]) - level,
        op.MatMul(lv, smooth) - level,
        mean_lv,
        op.Min(today, zero),
        op.Max(today, zero),
        op.Clip(change_5, low, zero),
        op.Clip(change_5, zero, high),
        op.Clip(change_22, low, zero),
        op.Squeeze(op.Gather(fallen_, [59], axis=1), [2]),
        op.MatMul(falling, smooth),
        op.Log(move_variance / range_variance) * 0.5,
        op.Log(overnight_variance / range_variance) * 0.5,
        op.Log(op.ReduceMean(wobble * wobble, [1], keepdims=1) + op.Cast(1e-3, to=11)) * 0.5,
        op.Squeeze(op.Gather(weekend_, [59], axis=1), [2]),
        (vix_rise + mean_lv) * vix_known,
        vix_rise,
        op.Squeeze(op.Gather(vix_over_, [59], axis=1), [2]),
        axis=1,
    )
    wide_low = op.Cast(-4.0, to=11)
    wide_high = op.Cast(4.0, to=11)
    three = op.Cast(3.0, to=11)
    moved_ = op.Clip(shock_, wide_low, wide_high)
    channels = op.Cast(
        op.Concat(
            moved_,
            op.Min(moved_, zero),
            op.Clip(lv_ - lv22_, -three, three),
            op.Clip(range_ - lv22_, -three, three),
            lv5_ - lv22_,
            lv22_ - lv66_,
            lv66_ + 4.75,
            op.Clip(down_ - lv22_, -three, op.Cast(1.0, to=11)) + 0.5,
            op.Clip(overnight_ / volatility_, wide_low, wide_high),
            fallen_,
            weekend_ - 0.25,
            op.Abs(moved_) - 0.75,
            vix_over_,
            op.Expand(known_, op.Shape(vix_)),
            axis=2,
        ),
        to=1,
    )
    return columns, channels, vix_known
