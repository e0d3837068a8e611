"""Others' models on the closes of a file of bars, one core: run by `benchmarks.daily_universe`.

StatsForecast's GARCH(1,1) with 95 % intervals, and MLForecast's conformal ones of a linear model:
the fit and the forecast of every series, from closes in memory.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

HORIZON, LEVEL, SESSIONS = 5, 95, 300


def main(path: str) -> None:
    import numpy as np
    import pandas as pd

    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    bars = pd.read_parquet(path, columns=["Ticker", "Date", "Close"])
    returns = 100 * bars.groupby("Ticker")["Close"].transform(lambda close: np.log(close).diff())
    frame = pd.DataFrame({"unique_id": bars["Ticker"], "y": returns})
    frame = frame.dropna().groupby("unique_id").tail(SESSIONS)
    frame["ds"] = frame.groupby("unique_id").cumcount()
    count = frame["unique_id"].nunique()
    for name, predict in (("StatsForecast GARCH(1,1)", _garch), ("MLForecast conformal", _linear)):
        predict(frame[frame["unique_id"].isin(frame["unique_id"].unique()[:3])])  # compiles
        started = time.process_time()
        rows = len(predict(frame))
        seconds = time.process_time() - started
        print(f"{count:>6} tickers, {name}: {seconds:7.1f} s of CPU, {rows} rows")


def _garch(frame: Any) -> Any:
    from statsforecast import StatsForecast
    from statsforecast.models import GARCH

    model = StatsForecast(models=[GARCH(1, 1)], freq=1, n_jobs=1)
    return model.forecast(df=frame, h=HORIZON, level=[LEVEL])


def _linear(frame: Any) -> Any:
    from mlforecast import MLForecast
    from mlforecast.utils import PredictionIntervals
    from sklearn.linear_model import LinearRegression

    model = MLForecast(models=[LinearRegression()], freq=1, lags=[1, 2, 5, 22])
    intervals = PredictionIntervals(n_windows=10, h=HORIZON)
    model.fit(frame, prediction_intervals=intervals)
    return model.predict(HORIZON, level=[LEVEL])


if __name__ == "__main__":
    main(sys.argv[1])
