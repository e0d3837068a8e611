"""Peak memory and time of the whole daily process, four ETFs, by source; each a fresh process."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import date
from typing import Any

EVENT = {"time": "2024-12-27T23:30:00Z"}
TICKERS = ("SPY", "QQQ", "DIA", "IWM")
BUDGET_MB = 512


def main() -> None:
    print(f"{'source':<22} {'peak MB':>8} {'import s':>9} {'run s':>7}")
    for source in ("simulated", "yahoo"):
        measures = measure_process(source)
        title = "yahoo, over loopback" if source == "yahoo" else source
        print(
            f"{title:<22} {measures['mb']:>8.0f} {measures['import']:>9.2f} {measures['run']:>7.2f}"
        )
    print(f"budget: {BUDGET_MB} MB; the loopback server lives in the measured process")


def measure_process(source: str) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "FORECASTER_BARS": source, "FORECASTER_STORE": folder}
        command = [sys.executable, "-m", "benchmarks.daily_memory", source]
        completed = subprocess.run(
            command, env=environment, check=True, capture_output=True, text=True
        )
    measures: dict[str, float] = json.loads(completed.stdout.splitlines()[-1])
    return measures


def run_child(source: str) -> None:
    started = time.perf_counter()
    from handlers import daily
    from handlers.local.invoke import LocalContext

    imported = time.perf_counter()
    if source == "yahoo":
        run_over_loopback(lambda: daily.handler(EVENT, LocalContext()))
    else:
        daily.handler(EVENT, LocalContext())
    ended = time.perf_counter()
    mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"mb": mb, "import": imported - started, "run": ended - imported}))


def run_over_loopback(call: Any) -> None:
    import pytest

    from pipeline.adapters.exchange.calendar import ExchangeCalendar
    from pipeline.adapters.simulated.market import SimulatedMarket
    from tests.support.loopback_yahoo import loopback_yahoo

    market = SimulatedMarket(ExchangeCalendar())
    bars = market.read((*TICKERS, "^VIX"), date(2022, 1, 3), date(2024, 12, 27)).bars
    with pytest.MonkeyPatch.context() as patch, loopback_yahoo(patch) as yahoo:
        yahoo.knows(*bars.values())
        call()


if __name__ == "__main__":
    run_child(sys.argv[1]) if sys.argv[1:] else main()
