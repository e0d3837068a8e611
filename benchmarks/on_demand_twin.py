"""The twin: the same answer from FastAPI, Mangum, pydantic, a joblib scaler and ONNX Runtime.

It is what a service for one model commonly looks like: requests are pydantic models, Mangum
translates the Function URL's event, a scikit-learn scaler is unpickled by joblib beside an ONNX
Runtime session with default options, answers are pydantic models with the same fields as ours. It
runs the same ONNX file, so that only what is around it differs; its scaler changes no number,
because scaling lies in our graph. With TWIN_READS_PRICES set it also imports pandas, yfinance and
boto3, as one does that answers for a ticker by reading prices. It has no keys, checks fewer
things, and logs and measures nothing: what it lacks is to its advantage. Only benchmarks run it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import onnxruntime as ort
from fastapi import FastAPI, HTTPException
from mangum import Mangum
from pydantic import BaseModel, ConfigDict

if os.environ.get("TWIN_READS_PRICES"):
    import boto3  # noqa: F401
    import pandas as pd  # noqa: F401
    import yfinance  # noqa: F401

COVERAGES = {"50": (4, 6), "80": (3, 7), "90": (2, 8), "95": (1, 9), "98": (0, 10)}
MEDIAN = 5
app = FastAPI(title="twin")
scaler = joblib.load(os.environ["TWIN_SCALER"])
session = ort.InferenceSession(Path(os.environ["TWIN_ONNX"]).read_bytes())


class PredictRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")
    data: list[list[float]]


class Horizon(BaseModel):
    horizon: int
    prediction: float
    sigma: float
    intervals: dict[str, tuple[float, float]]


class PredictAnswer(BaseModel):
    prediction: float
    interval_95: tuple[float, float]
    confidence_gap: float
    intervals: dict[str, tuple[float, float]]
    horizon: int
    horizons: list[Horizon]


@app.post("/predict")
def predict(request: PredictRequest) -> PredictAnswer:
    window = np.array(request.data, dtype=np.float32)
    if window.shape != (60, 12) or not np.isfinite(window).all():
        raise HTTPException(422, f"expected finite numbers of shape (60, 12), got {window.shape}")
    scaled = scaler.transform(window).astype(np.float32)[None]
    quantiles, sigmas = session.run(None, {"window": scaled})
    prices = float(np.exp(window[-1, 0])) * np.exp(quantiles[0])
    horizons = [build_horizon(i, prices[i], float(sigmas[0, i])) for i in range(len(prices))]
    lower, upper = horizons[0].intervals["95"]
    return PredictAnswer(
        prediction=horizons[0].prediction,
        interval_95=(lower, upper),
        confidence_gap=(upper - lower) / 2,
        intervals=horizons[0].intervals,
        horizon=1,
        horizons=horizons,
    )


def build_horizon(i: int, prices: Any, sigma: float) -> Horizon:
    intervals = {c: (float(prices[lo]), float(prices[hi])) for c, (lo, hi) in COVERAGES.items()}
    return Horizon(
        horizon=i + 1, prediction=float(prices[MEDIAN]), sigma=sigma, intervals=intervals
    )


handler = Mangum(app, lifespan="off")
