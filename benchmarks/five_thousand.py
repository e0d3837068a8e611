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

from pipeline.adapters.parquet.parquet_tables import ParquetTables
from pipeline.bars import Bars, RawBars
from pipeline.errors import InvalidBars
from pipeline.forecasting.bundle import load_bundle
from pipeline.forecasting.calibration import NEUTRAL
from pipeline.forecasting.features import compute_features
from pipeline.forecasting.forecast import Forecast, forecast, forecast_windows
from pipeline.forecasting.model import Model
from pipeline.forecasting.panel import Panel
from pipeline.forecasting.windows import MIN_SESSIONS, latest_windows
from pipeline.record.manifest import Mode
from pipeline.record.tables import Stamp, build_forecast_columns

ROOT = Path(__file__).resolve().parents[1]
UNIVERSE = ROOT.parent / "shared" / "data" / "universe.parquet"
SIZES = (1250, 2500, 5000)
REPEATS = 5
TARGETS = tuple(date(2025, 1, day) for day in (2, 3, 6, 7, 8))
BUDGET_SECONDS, BUDGET_MB = 3.0, 512


def main() -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    series, model = list(read_series()), Model(load_bundle(ROOT / "models" / "default"))
    print(f"{peak_mb():.0f} MB resident with the libraries and {len(series)} series loaded")
    print(f"{len(series)} different series, one core, median of {REPEATS}")
    print(f"{'series':>8} {'seconds':>8} {'ms each':>8}   stages")
    for size in SIZES:
        many = [dataclasses.replace(series[i % len(series)], ticker=f"S{i}") for i in range(size)]
        runs = [time_stages(many, model) for _ in range(REPEATS)]
        median = {name: float(np.median([run[name] for run in runs])) for name in runs[0]}
        total = sum(median.values())
        stages = "  ".join(f"{name} {seconds:.3f}" for name, seconds in median.items())
        print(f"{size:>8} {total:>8.3f} {1000 * total / size:>8.4f}   {stages}")
    print(f"budget at 5,000: {BUDGET_SECONDS} s, {BUDGET_MB} MB; peak {peak_mb():.0f} MB resident")


def peak_mb() -> float:
    """Peak so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def time_stages(bars: list[Bars], model: Model) -> dict[str, float]:
    """Run the spine stage by stage, its whole call last to see that nothing is left out."""
    seconds: dict[str, float] = {}

    @contextmanager
    def time_stage(name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        seconds[name] = time.perf_counter() - started

    with time_stage("features"):
        panel = Panel.of(bars, MIN_SESSIONS)
        features = compute_features(panel)
    with time_stage("model"):
        tickers = tuple(ticker_bars.ticker for ticker_bars in bars)
        windows = latest_windows(features)
        forecasts = forecast_windows(
            windows, tickers, panel.session[:, -1], panel.close[:, -1], model, NEUTRAL
        )
    with time_stage("columns"):
        columns = build_columns(forecasts)
    with time_stage("parquet"):
        data = ParquetTables().encode("forecasts", columns, {})
    if data != ParquetTables().encode(
        "forecasts", build_columns(forecast(bars, model, NEUTRAL)), {}
    ):
        raise AssertionError("the stages measured are not the spine")
    return seconds


def build_columns(forecasts: Forecast) -> dict[str, np.ndarray]:
    issued_at = datetime(2025, 1, 1, tzinfo=UTC)
    stamp = Stamp(date(2024, 12, 31), TARGETS, "bench", "0" * 64, issued_at, Mode.LIVE)
    return dict(build_forecast_columns(forecasts, {}, stamp))


def read_series() -> Iterator[Bars]:
    """Yield the last bars of every stock of the universe, or of a random walk without it."""
    if not UNIVERSE.exists():
        random = np.random.default_rng(1)
        for i in range(500):
            yield simulate_walk(f"W{i}", random)
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


def simulate_walk(ticker: str, random: np.random.Generator) -> Bars:
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.01, MIN_SESSIONS)))
    session = np.busday_offset(np.datetime64("2024-12-31"), np.arange(-MIN_SESSIONS + 1, 1))
    zeros = np.zeros(MIN_SESSIONS)
    return Bars(ticker, session, close, close * 1.01, close / 1.01, close, zeros, zeros, zeros)


if __name__ == "__main__":
    main()
