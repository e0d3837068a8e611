"""The same few sessions by whatever kernels this process has: `python -m … FOLDER`.

Writes every object of the record and answers on demand into the folder, and says on stdout which
kernels computed them. See `tests/integration/test_processors.py`.
"""

from __future__ import annotations

import ctypes
import json
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time
from pathlib import Path

import msgspec
import numpy as np
from numpy._core import _multiarray_umath as umath

from pipeline.adapters.parquet.parquet_tables import ParquetTables
from pipeline.adapters.simulated.market import SimulatedMarket
from pipeline.bars import Bars
from pipeline.encoding import sha256
from pipeline.forecasting.bundle import load_bundle
from pipeline.forecasting.model import Model
from pipeline.jobs.backfill.run import backfill
from pipeline.jobs.daily import DailyJob, run
from pipeline.record.vintage import Vintage
from pipeline.serving.cached_views import CachedViews
from pipeline.serving.on_demand import OnDemand
from pipeline.serving.requests import parse_request
from tests.support.builders import bar_rows, weekdays, window_rows
from tests.support.fakes import FixedCalendar, MemoryObjects

ROOT = Path(__file__).resolve().parents[2]
TICKERS = ("SPY", "QQQ", "DIA", "IWM")
CALENDAR = FixedCalendar(weekdays(1400, "2025-02-20").tolist())
SESSIONS: list[date] = weekdays(14, "2025-02-10").tolist()
# What came before is issued afterwards, the last three sessions live.
LIVE = SESSIONS[-3:]
VINTAGE = f"bars/month=2025-02/{LIVE[-1]}.00.parquet"


def golden_job() -> DailyJob:
    """Return the job that makes the record, on a store in memory and the shipped bundle."""
    model = Model(load_bundle(ROOT / "models" / "default"))
    source = SimulatedMarket(CALENDAR)
    return DailyJob(TICKERS, source, CALENDAR, MemoryObjects(), ParquetTables(), model)


def golden_objects() -> dict[str, bytes]:
    """Return a record of four simulated ETFs, scored and learnt from, and answers on demand."""
    job = golden_job()
    first_live = datetime.combine(LIVE[0], time(12, tzinfo=UTC))
    backfill(job, SESSIONS[0], SESSIONS[-4], first_live, lambda done, of: None)
    for session in LIVE:
        at = datetime.combine(session, time(22, tzinfo=UTC))
        run(job, at, at)
    return {**job.store.objects, **dict(answers(job))}


def answers(job: DailyJob) -> Iterator[tuple[str, bytes]]:
    """Yield what is answered from the bars and from the window of each ticker's newest session."""
    on_demand = OnDemand(job.model, CachedViews(job.store.read, lambda: 0.0))
    bars = Vintage.decode(job.tables, job.store.read(VINTAGE)).bars
    for ticker in TICKERS:
        usable = Bars.validate(bars[ticker].tail(126))
        for kind, sent in {"bars": bar_rows(usable), "data": window_rows(usable)}.items():
            request = parse_request(json.dumps({kind: sent, "ticker": ticker}).encode())
            yield f"answers/{ticker}.{kind}.json", msgspec.json.encode(on_demand.predict(request))


def kernels() -> Mapping[str, list[str]]:
    """Return what computes here: NumPy's own loops, its BLAS, and the C library's functions."""
    random = np.random.default_rng(1)
    numbers = random.uniform(1.0, 1e3, 100_000)
    square = random.normal(size=(64, 64))
    functions = np.concatenate([np.log(numbers), np.exp(np.log(numbers)), np.cos(numbers)])
    return {
        "numpy": [name for name in umath.__cpu_dispatch__ if umath.__cpu_features__[name]],
        "blas": [*blas_cores(), sha256((square @ square).tobytes())],
        "libm": [sha256(functions.tobytes())],
    }


def blas_cores() -> list[str]:
    """Return the processor that each loaded OpenBLAS takes this one for; none where not Linux."""
    maps = Path("/proc/self/maps")
    mapped = maps.read_text().splitlines() if maps.exists() else []
    cores = []
    for path in sorted({line.split()[-1] for line in mapped if "openblas" in line}):
        ask = getattr(ctypes.CDLL(path), "scipy_openblas_get_corename64_", None)
        if ask is not None:
            ask.restype = ctypes.c_char_p
            cores.append(ask().decode())
    return cores


def main(folder: Path) -> None:
    for key, data in golden_objects().items():
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_bytes(data)
    print(json.dumps(kernels()))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
