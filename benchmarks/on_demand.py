"""The on-demand function beside its twin and beside the bare import of what both must load.

Each row is a fresh process, five times in turn; all in one run, so that ratios mean something.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from benchmarks.on_demand_child import WARM_CALLS

ROOT = Path(__file__).resolve().parents[1]
ROUNDS = 5
BARE, OURS, TWIN, PRICES = "bare import", "ours", "twin", "twin that reads prices"
MEASURES = {"cold_ms": "cold ms", "warm_ms": "warm ms", "p99_ms": "p99 ms", "mb": "MB"}
# (measure, beside what, at most)
BUDGETS = (
    ("cold_ms", TWIN, 0.15),
    ("cold_ms", BARE, 2.0),
    ("warm_ms", TWIN, 0.4),
    ("mb", TWIN, 0.45),
)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        environ = prepare(Path(folder))
        measurements: dict[str, list[dict[str, float]]] = {BARE: [], OURS: [], TWIN: [], PRICES: []}
        for _ in range(ROUNDS):
            for name, rounds in measurements.items():
                rounds.append(measure_process(name, environ))
    medians = {
        name: {m: float(np.median([measurement[m] for measurement in rounds])) for m in rounds[0]}
        for name, rounds in measurements.items()
    }
    print(f"median of {ROUNDS} fresh processes each; cold = import + first answer to a window;")
    print(f"warm = median, p99 of {WARM_CALLS} more; MB = peak resident")
    print(f"{'':<24}" + "".join(f"{title:>10}" for title in MEASURES.values()))
    for name, values in medians.items():
        cells = (f"{values[m]:>10.2f}" if m in values else f"{'':>10}" for m in MEASURES)
        print(f"{name:<24}" + "".join(cells))
    for measure, beside, budget in BUDGETS:
        ratio = medians[OURS][measure] / medians[beside][measure]
        verdict = "held" if ratio <= budget else "MISSED"
        print(
            f"{MEASURES[measure]:<8} ours / {beside:<12} {ratio:.3f}  budget {budget:<5} {verdict}"
        )


def prepare(folder: Path) -> dict[str, str]:
    """Write the event and the twin's scaler; give the environment of all processes."""
    import joblib
    from sklearn.preprocessing import StandardScaler

    from handlers.http.openapi_examples import window

    scaler = StandardScaler(copy=True).fit(np.zeros((2, 12)))
    joblib.dump(scaler, folder / "scaler.joblib")
    http = {"method": "POST", "path": "/predict", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1"}
    event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/predict",
        "rawQueryString": "",
        "headers": {"content-type": "application/json", "host": "localhost"},
        "requestContext": {"http": http, "stage": "$default"},
        "body": json.dumps({"data": window()}),
        "isBase64Encoded": False,
    }
    (folder / "event.json").write_text(json.dumps(event))
    return {
        **os.environ,
        "BENCH_EVENT": str(folder / "event.json"),
        "FORECASTER_STORE": str(folder / "store"),
        "FORECASTER_AUTH": "none",
        "TWIN_SCALER": str(folder / "scaler.joblib"),
        "TWIN_ONNX": str(ROOT / "models" / "default" / "model.onnx"),
    }


def measure_process(name: str, environ: Mapping[str, str]) -> dict[str, float]:
    """Run one row in a process of its own."""
    prices = {"TWIN_READS_PRICES": "1"} if name == PRICES else {}
    kind = TWIN if name == PRICES else name
    completed = subprocess.run(
        [sys.executable, "-m", "benchmarks.on_demand_child", kind],
        env={**environ, **prices},
        check=True,
        capture_output=True,
        text=True,
    )
    measures: dict[str, float] = json.loads(completed.stdout)
    return measures


if __name__ == "__main__":
    main()
