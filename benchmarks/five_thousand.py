"""Time and memory of 5,000 series, from bars in memory to Parquet bytes, on one core."""

from __future__ import annotations

import dataclasses
import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from pipeline.adapters.parquet_tables import ParquetTables
from pipeline.bars import Bars, Panel, RawBars
from pipeline.errors import InvalidBars
from pipeline.forecasting.bundle import load_bundle
from pipeline.forecasting.calibration import NEUTRAL
from pipeline.forecasting.features import compute_features
from pipeline.forecasting.forecast import Forecast, forecast, forecast_windows
from pipeline.forecasting.model import Model
from pipeline.forecasting.windows import MIN_SESSIONS, latest_windows
from pipeline.record.tables import Stamp, build_forecast_columns

ROOT = Path(__file__).resolve().parents[1]
UNIVERSE = ROOT.parent / "shared" / "data" / "universe.parquet"
SIZES = (1250, 2500, 5000)
REPEATS = 5
TARGETS = tuple(date(2025, 1, day) for day in (2, 3, 6, 7, 8))
BUDGET_SECONDS, BUDGET_MB = 3.0, 512


def main() -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    known, model = list(series()), Model(load_bundle(ROOT / "models" / "default"))
    print(f"{resident():.0f} MB resident with the libraries and {len(known)} series loaded")
    print(f"{len(known)} different series, one core, median of {REPEATS}")
    print(f"{'series':>8} {'seconds':>8} {'ms each':>8}   stages")
    for size in SIZES:
        many = [dataclasses.replace(known[i % len(known)], ticker=f"S{i}") for i in range(size)]
        runs = [stages(many, model) for _ in range(REPEATS)]
        median = {name: float(np.median([run[name] for run in runs])) for name in runs[0]}
        total = sum(median.values())
        each = "  ".join(f"{name} {seconds:.3f}" for name, seconds in median.items())
        print(f"{size:>8} {total:>8.3f} {1000 * total / size:>8.4f}   {each}")
    print(f"budget at 5,000: {BUDGET_SECONDS} s, {BUDGET_MB} MB; peak {resident():.0f} MB resident")


def resident() -> float:
    """Peak so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def stages(bars: list[Bars], model: Model) -> dict[str, float]:
    """Run the spine stage by stage, its whole call last to see that nothing is left out."""
    took: dict[str, float] = {}

    @contextmanager
    def timed(name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        took[name] = time.perf_counter() - started

    with timed("features"):
        panel = Panel.of(bars, MIN_SESSIONS)
        features = compute_features(panel)
    with timed("model"):
        tickers = tuple(one.ticker for one in bars)
        windows = latest_windows(features)
        made = forecast_windows(
            windows, tickers, panel.session[:, -1], panel.close[:, -1], model, NEUTRAL
        )
    with timed("columns"):
        columns = columns_of(made)
    with timed("parquet"):
        data = ParquetTables().encode("forecasts", columns, {})
    if data != ParquetTables().encode("forecasts", columns_of(forecast(bars, model, NEUTRAL)), {}):
        raise AssertionError("the stages measured are not the spine")
    return took


def columns_of(made: Forecast) -> dict[str, np.ndarray]:
    stamp = Stamp(date(2024, 12, 31), TARGETS, "bench", "0" * 64, datetime(2025, 1, 1, tzinfo=UTC))
    return dict(build_forecast_columns(made, {}, stamp))


def series() -> Iterator[Bars]:
    """Yield the last bars of every stock of the universe, or of a random walk without it."""
    if not UNIVERSE.exists():
        random = np.random.default_rng(1)
        for i in range(500):
            yield walk(f"W{i}", random)
        return
    table = pq.read_table(UNIVERSE, filters=[("Date", ">=", datetime(2024, 5, 1))])
    names = np.asarray(table["Ticker"].to_pandas())
    columns = {
        c.lower(): np.asarray(table[c], dtype=float) for c in ("Open", "High", "Low", "Close")
    }
    session = np.asarray(table["Date"]).astype("datetime64[D]")
    for name in dict.fromkeys(names):
        rows = names == name
        zeros = np.zeros(rows.sum())
        prices = {column: values[rows] for column, values in columns.items()}
        raw = RawBars(name, session[rows], **prices, volume=zeros, dividend=zeros, split=zeros)
        try:
            yield Bars.validate(raw.tail(MIN_SESSIONS))
        except InvalidBars as exc:
            print(f"left out: {exc}")


def walk(ticker: str, random: np.random.Generator) -> Bars:
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.01, MIN_SESSIONS)))
    session = np.busday_offset(np.datetime64("2024-12-31"), np.arange(-MIN_SESSIONS + 1, 1))
    zeros = np.zeros(MIN_SESSIONS)
    return Bars(ticker, session, close, close * 1.01, close / 1.01, close, zeros, zeros, zeros)


if __name__ == "__main__":
    main()
