"""One session, three ways to ask, and what the daily run published: equal numbers."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipeline import daily
from pipeline.adapters.calendar import ExchangeCalendar
from pipeline.adapters.files import FolderBars
from pipeline.adapters.folder import FolderObjects
from pipeline.adapters.parquet import ParquetTables
from pipeline.adapters.simulated import SimulatedMarket
from pipeline.intervals import INTERVALS
from pipeline.model import Model
from pipeline.on_demand import OnDemand
from pipeline.ports import BarSource
from pipeline.requests import parse_request
from pipeline.views import Views
from pipeline.vintage import VIX, Vintage
from pipeline.wiring import daily_job
from tests.builders import bar_rows
from tests.conftest import DEFAULT_BUNDLE

TICKERS = ("SPY", "QQQ", "DIA", "IWM")
SESSION = date(2024, 12, 27)
AT = datetime(2024, 12, 27, 23, 30, tzinfo=UTC)
COLUMNS = [f"{side}_{coverage}" for coverage in INTERVALS for side in ("lower", "upper")]


def run_day(source: BarSource, model: Model, folder: Path) -> tuple[Vintage, dict[str, np.ndarray]]:
    """Run the day; give the vintage and the published prices of each ticker, a row per horizon."""
    store, tables, calendar = FolderObjects(folder), ParquetTables(), ExchangeCalendar()
    job = daily_job(TICKERS, source, calendar, store=str(folder), bundle=DEFAULT_BUNDLE)
    daily.run(job, AT).require_complete()
    put_gains(folder / "latest.json", model)
    vintage = store.read("bars/month=2024-12/2024-12-27.00.parquet")
    table = pq.read_table(
        io.BytesIO((folder / "forecasts/month=2024-12/2024-12-27.00.parquet").read_bytes())
    ).to_pandas()
    published = {
        ticker: table[table.ticker == ticker][["prediction", "sigma", *COLUMNS]].to_numpy()
        for ticker in TICKERS
    }
    return Vintage.decode(tables, vintage or b""), published


def put_gains(latest: Path, model: Model) -> None:
    """Say in latest.json which gains each forecast was made with, where it does not say so."""
    view = json.loads(latest.read_text())
    for ticker, known in view["tickers"].items():
        known.setdefault("gains", model.manifest.gains[ticker])
    latest.write_text(json.dumps(view))


def numbers(answer: Any) -> np.ndarray:
    return np.array(
        [[h.prediction, h.sigma, *sum(h.intervals.values(), ())] for h in answer.horizons]
    )


def simulated(_: pytest.FixtureRequest) -> BarSource:
    return SimulatedMarket(ExchangeCalendar())


def real(request: pytest.FixtureRequest) -> BarSource:
    return FolderBars(request.getfixturevalue("real_bars"))


@pytest.mark.parametrize(
    "market",
    [simulated, pytest.param(real, marks=pytest.mark.real_bars)],
    ids=["simulated", "real"],
)
def test_ticker_bars_and_the_published_table_are_equal(
    market: Callable[..., BarSource],
    request: pytest.FixtureRequest,
    model: Model,
    tmp_path: Path,
) -> None:
    vintage, published = run_day(market(request), model, tmp_path)
    on_demand = OnDemand(model, Views(FolderObjects(tmp_path).read, lambda: 0.0))

    def ask(**document: Any) -> Any:
        return on_demand.predict(parse_request(json.dumps(document).encode()))

    vix = [[row[0], row[4]] for row in bar_rows(vintage.bars[VIX])]
    for ticker in TICKERS:
        raw = vintage.bars[ticker]
        by_ticker = ask(ticker=ticker)
        by_bars = ask(bars=bar_rows(raw), vix=vix, ticker=ticker)
        assert np.array_equal(numbers(by_ticker), published[ticker])
        assert np.array_equal(numbers(by_bars), published[ticker])
        assert by_bars.calibrated is by_ticker.calibrated is True
        assert by_bars.origin_date == by_ticker.origin_date == SESSION
        assert by_bars.last_close == by_ticker.last_close == raw.close[-1]
        # What makes a difference is really there.
        for less in (ask(bars=bar_rows(raw), ticker=ticker), ask(bars=bar_rows(raw), vix=vix)):
            assert not np.array_equal(numbers(less), published[ticker])
