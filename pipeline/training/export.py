"""Export: a fitted model as one self-contained ONNX graph with the contract of the bundle."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper

from pipeline.features import FEATURE_NAMES, LOOKBACK, N_FEATURES
from pipeline.training.range_har import (
    INPUT_NAMES,
    SHOCK_LIMIT,
    SLIDE_LIMIT,
    SLIDE_SESSIONS,
    RangeHar,
)

OPSET = 20
IR_VERSION = 10
# ONNX Runtime promises no equal bits across CPUs; a grid on z and log sigma makes them equal.
GRID = 1e6
PARITY = 1e-5

# In double precision throughout: rows then do not depend on the size of their batch.
GRAPH = """
<ir_version: {ir}, opset_import: ["" : {opset}]>
range_har (float[n, {lookback}, {features}] window)
    => (float[n, {horizons}, {levels}] log_return_quantiles, float[n, {horizons}] sigma)
{{
    wide = Cast <to = 11> (window)
    last = Gather <axis = 1> (wide, last_session)
    earlier = Gather <axis = 1> (wide, slide_session)
    log_close = Gather <axis = 1> (last, column_log_close)
    log_close_before = Gather <axis = 1> (earlier, column_log_close)
    overnight = Gather <axis = 1> (last, column_overnight)
    intraday = Gather <axis = 1> (last, column_intraday)
    log_volatility = Gather <axis = 1> (last, column_volatility)
    volatility = Exp (log_volatility)
    close_to_close = Add (overnight, intraday)
    shock = Div (close_to_close, volatility)
    fall = Clip (shock, shock_low, zero)
    rise = Clip (shock, zero, shock_high)
    change = Sub (log_close, log_close_before)
    slide_volatility = Mul (volatility, slide_root)
    slide_shock = Div (change, slide_volatility)
    slide = Clip (slide_shock, slide_low, zero)
    plain = Gather <axis = 1> (last, plain_columns)
    inputs = Concat <axis = 1> (plain, fall, rise, slide)
    product = MatMul (inputs, weights)
    log_sigma = Add (product, bias)
    log_sigma_grid = Mul (log_sigma, grid)
    log_sigma_whole = Round (log_sigma_grid)
    log_sigma_round = Div (log_sigma_whole, grid)
    sigma_wide = Exp (log_sigma_round)
    sigma = Cast <to = 1> (sigma_wide)
    sigma_column = Unsqueeze (sigma_wide, minus_one)
    quantiles_wide = Mul (sigma_column, z)
    log_return_quantiles = Cast <to = 1> (quantiles_wide)
}}
"""


def export_range_har(fitted: RangeHar) -> bytes:
    """Return the ONNX file of a fitted range-HAR: window (n, 60, 12) to quantiles and sigma."""
    horizons, levels = fitted.z.shape
    text = GRAPH.format(
        ir=IR_VERSION,
        opset=OPSET,
        lookback=LOOKBACK,
        features=N_FEATURES,
        horizons=horizons,
        levels=levels,
    )
    model = onnx.parser.parse_model(text)
    for name, value in _constants(fitted).items():
        model.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
    onnx.checker.check_model(model, full_check=True)
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def _constants(fitted: RangeHar) -> dict[str, object]:
    column = {name: i for i, name in enumerate(FEATURE_NAMES)}
    plain = [column[name] for name in INPUT_NAMES if name in column]
    return {
        "last_session": np.int64(LOOKBACK - 1),
        "slide_session": np.int64(LOOKBACK - 1 - SLIDE_SESSIONS),
        "column_log_close": np.array([column["log_close"]]),
        "column_overnight": np.array([column["overnight_return"]]),
        "column_intraday": np.array([column["intraday_return"]]),
        "column_volatility": np.array([column["log_volatility_22"]]),
        "plain_columns": np.array(plain),
        "zero": np.float64(0.0),
        "shock_low": np.float64(-SHOCK_LIMIT),
        "shock_high": np.float64(SHOCK_LIMIT),
        "slide_low": np.float64(-SLIDE_LIMIT),
        "slide_root": np.float64(np.sqrt(SLIDE_SESSIONS)),
        "weights": fitted.weights,
        "bias": fitted.bias,
        "z": np.round(fitted.z * GRID) / GRID,
        "grid": np.float64(GRID),
        "minus_one": np.array([-1]),
    }
