"""The whole daily job of 500 and of 5,000 tickers in one store, on one core, and others' models.

Of each size a first and a second session, each in a process of its own, from one Parquet file of
bars; beside it, where `.venv-bench` has them, StatsForecast's GARCH(1,1) and MLForecast's conformal
intervals on the closes of the same series.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
UNIVERSE = ROOT.parent / "shared" / "data" / "universe.parquet"
PEERS = ROOT / ".venv-bench" / "bin" / "python"
SIZES = (500, 5000)
FIRST, SESSIONS = date(2023, 6, 1), ("2024-12-26", "2024-12-27")
# Stage -> where the function is looked up that makes it; a stage holds no other.
STAGES = {
    "read": ("pipeline.jobs.fix_part", "read_bars"),
    "judge": ("pipeline.jobs.fix_part", "select_fit"),
    "store vintage": ("pipeline.jobs.fix_part", "fix_vintage"),
    "mended": ("pipeline.record.part_inputs", "read_mended"),
    "score": ("pipeline.record.publish", "_score"),
    "state": ("pipeline.record.publish", "_next_state"),
    "baselines": ("pipeline.record.publish", "build_baseline_table"),
    "scenarios": ("pipeline.record.publish", "write_scenarios"),
    "their scores": ("pipeline.record.publish", "score_part"),
    "their scores read": ("pipeline.record.part_inputs", "read_earlier_scenarios"),
    "manifest": ("pipeline.record.publish", "build_manifest"),
    "views": ("pipeline.jobs.daily", "refresh_views"),
}
SCENARIOS = ("scenarios", "their scores", "their scores read")
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        runs = {}
        for size in SIZES:
            bars = Path(folder) / f"{size}.parquet"
            write_bars(bars, size)
            runs[size] = {"sessions": [measure(size, bars, day) for day in SESSIONS]}
            _print_run(size, runs[size])
        few, many = (_leave_out_scenarios(runs[size]["sessions"][1]) / size for size in SIZES)
        print(
            f"second session, scenarios aside, CPU per ticker at {SIZES[1]} / at {SIZES[0]}: "
            f"{many / few:.2f}"
        )
        if PEERS.exists():
            command = [str(PEERS), str(ROOT / "benchmarks" / "peers.py"), str(bars)]
            subprocess.run(command, check=True, env=os.environ | ONE_THREAD)
        else:
            print("beside no other model: make bench installs them")


def _leave_out_scenarios(session: dict[str, Any]) -> float:
    """Return the CPU seconds of a session without scenarios, of which 5,000 tickers have none."""
    aside = sum(session["stages"].get(stage, 0.0) for stage in SCENARIOS)
    seconds: float = session["cpu"] - aside
    return seconds


def _print_run(size: int, run: dict[str, Any]) -> None:
    for name, session in zip(("first", "second"), run["sessions"], strict=True):
        print(
            f"{size:>6} tickers, {name:<6} session: {session['cpu']:7.1f} s of CPU, "
            f"{session['wall']:7.1f} s, {session['published']} published, {session['mb']:.0f} MB"
        )
        known = "  ".join(f"{stage} {s:.2f}" for stage, s in session["stages"].items())
        print(f"{'':>8}{known}")


def measure(size: int, bars: Path, day: str) -> dict[str, Any]:
    """Return what a session takes in a process of its own, of one core and one thread."""
    command = [sys.executable, "-m", "benchmarks.daily_universe", str(size), str(bars), day]
    completed = subprocess.run(
        command, env=os.environ | ONE_THREAD, check=True, capture_output=True, text=True, cwd=ROOT
    )
    measured: dict[str, Any] = json.loads(completed.stdout.splitlines()[-1])
    return measured


def write_bars(path: Path, size: int) -> None:
    """Write one file of bars of `size` tickers, real series over and over, or simulated ones."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    series = _read_series() if UNIVERSE.exists() else _simulate_series()
    with pq.ParquetWriter(path, series[0].schema) as writer:
        for number in range(size):
            table = series[number % len(series)]
            name = pa.array([f"S{number:04d}"] * table.num_rows)
            writer.write_table(table.set_column(0, "Ticker", name))


def _read_series() -> list[Any]:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    names = ["Ticker", "Date", "Open", "High", "Low", "Close", "Volume"]
    last = datetime(2024, 12, 31)
    first = datetime.combine(FIRST, datetime.min.time())
    table = pq.read_table(
        UNIVERSE, columns=names, filters=[("Date", ">=", first), ("Date", "<=", last)]
    )
    series = [
        table.filter(pc.equal(table.column("Ticker"), name))
        for name in pc.unique(table.column("Ticker")).to_pylist()
    ]
    longest = max(len(one) for one in series)
    series = [pa.table(one.columns, names=names) for one in series if len(one) == longest]
    return [one for one in series if np.isfinite(one.column("Close").to_numpy()).all()]


def _simulate_series() -> list[Any]:
    import pyarrow as pa

    from pipeline.adapters.exchange.calendar import ExchangeCalendar
    from pipeline.adapters.simulated.market import SimulatedMarket

    tickers = [f"SIM{number:04d}" for number in range(100)]
    reading = SimulatedMarket(ExchangeCalendar()).read(tickers, FIRST, date(2024, 12, 31))
    return [
        pa.table(
            {
                "Ticker": [ticker] * len(bars),
                "Date": bars.session,
                **{name.capitalize(): getattr(bars, name) for name in ("open", "high", "low")},
                "Close": bars.close,
                "Volume": bars.volume,
            }
        )
        for ticker, bars in reading.bars.items()
    ]


def run_child(size: int, bars: Path, day: str) -> None:
    """Run a session in the store beside the bars, as a day does, and print what it took."""
    from pipeline.jobs import daily
    from pipeline.wiring import DEFAULT_BUNDLE, daily_job, open_calendar, open_source, open_store

    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    calendar, store = open_calendar(), open_store(str(bars.with_suffix(".store")))
    source = open_source(
        str(bars), calendar, cache_dir=bars.parent, remaining_seconds=lambda: 900.0
    )
    tickers = tuple(f"S{number:04d}" for number in range(size))
    job = daily_job(tickers, source, calendar, store=store, bundle=DEFAULT_BUNDLE)
    at = datetime.fromisoformat(f"{day}T23:30:00+00:00")
    with _timed() as stages:
        cpu, wall = time.process_time(), time.perf_counter()
        summary = daily.run(job, at, at)
    session = {
        "cpu": time.process_time() - cpu,
        "wall": time.perf_counter() - wall,
        "published": len(summary.published),
        "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "stages": stages,
    }
    print(json.dumps(session))


@contextmanager
def _timed() -> Iterator[dict[str, float]]:
    """Add up the CPU seconds of each stage."""
    import importlib

    seconds: dict[str, float] = {}

    def time_stage(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:
            started = time.process_time()
            try:
                return function(*args, **kwargs)
            finally:
                seconds[name] = seconds.get(name, 0.0) + time.process_time() - started

        return timed

    for stage, (module, name) in STAGES.items():
        home = importlib.import_module(module)
        setattr(home, name, time_stage(stage, getattr(home, name)))
    yield seconds


if __name__ == "__main__":
    run_child(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]) if sys.argv[1:] else main()
