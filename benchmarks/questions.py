"""The HTTPS function asked of risk: the time of each question, from an event to its answer."""

from __future__ import annotations

import json
import time
from datetime import date
from statistics import median

import numpy as np

from handlers.http import openapi_examples as examples
from handlers.http.messages import Request
from handlers.http.routes import Service
from pipeline.encoding import to_json
from pipeline.forecasting.bundle import load_bundle
from pipeline.forecasting.model import Model
from pipeline.record.keys import LATEST, SCENARIOS
from pipeline.scenarios.scenario_cube import ScenarioCube
from pipeline.serving.cached_views import CachedViews
from pipeline.serving.on_demand import OnDemand, select_usable_bars
from pipeline.views.documents import Latest, TickerForecast
from pipeline.views.scenario_view import ScenarioView
from pipeline.wiring import DEFAULT_BUNDLE

CALLS = 1000
BUDGET = 3.0  # ms, of /risk
QUESTIONS = {
    "/risk": {"positions": {"SPY": 10000, "QQQ": 5000, "DIA": 2500, "IWM": -5000}},
    "/probability": {"ticker": "SPY", "below": 440, "horizon": 5, "touch": True},
    "/what-if": {"ticker": "SPY", "return": -0.03},
}


def main() -> None:
    service = build_service()
    print(f"median of {CALLS} calls in one process, 1,000 scenarios of four tickers")
    print(f"{'':<16}{'ms':>8}{'first ms':>10}")
    for path, asked in QUESTIONS.items():
        first, *others = (measure(service, path, asked) for _ in range(CALLS))
        middle = median(others)
        verdict = f"  budget {BUDGET:g} {'held' if middle <= BUDGET else 'MISSED'}"
        print(f"{path:<16}{middle:>8.2f}{first:>10.2f}{verdict if path == '/risk' else ''}")


def measure(service: Service, path: str, asked: object) -> float:
    """Return the milliseconds of one call."""
    http = {"method": "POST", "path": path}
    event = {"rawPath": path, "requestContext": {"http": http}, "body": json.dumps(asked)}
    started = time.perf_counter()
    response = service.answer(Request.of(event))
    seconds = time.perf_counter() - started
    if response.status != 200:
        raise SystemExit(f"expected an answer, got {response}")
    return 1000 * seconds


def build_service() -> Service:
    """Return the function on a store of invented scenarios."""
    names = ("DIA", "IWM", "QQQ", "SPY")
    steps = np.random.default_rng(1).normal(0, 0.01, (1000, len(names), len(examples.TARGETS)))
    closes = np.full(len(names), examples.CLOSE)
    returns = np.cumsum(steps, axis=2).astype(np.float32)
    cube = ScenarioCube(names, examples.LAST, examples.TARGETS, closes, returns)
    rows = [(date.fromisoformat(day), *prices) for day, *prices in examples.bars()]
    bars = {"SPY": select_usable_bars("SPY", rows)}
    published = examples.predicted(of_ticker=True)
    spy = TickerForecast(
        "ok", examples.VERSION, examples.ISSUED, examples.CLOSE, published.horizons
    )
    stored = {
        LATEST: to_json(Latest(1, examples.LAST, "bench", {"SPY": spy})),
        SCENARIOS: ScenarioView(cube, "bench", examples.VERSION, bars).encode(),
    }
    views = CachedViews(stored.get, lambda: 0.0)
    return Service(OnDemand(Model(load_bundle(DEFAULT_BUNDLE)), views), None)


if __name__ == "__main__":
    main()
