"""One session, three ways to ask, and what the daily run published: equal numbers."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipeline.adapters.bar_folder.folder_bars import FolderBars
from pipeline.adapters.exchange.calendar import ExchangeCalendar
from pipeline.adapters.folder_store import FolderObjects
from pipeline.adapters.parquet.parquet_tables import ParquetTables
from pipeline.adapters.simulated.market import SimulatedMarket
from pipeline.bars import VIX
from pipeline.forecasting.levels import INTERVALS
from pipeline.forecasting.model import Model
from pipeline.jobs import daily
from pipeline.ports import BarSource
from pipeline.record.vintage import Vintage
from pipeline.serving.cached_views import CachedViews
from pipeline.serving.on_demand import OnDemand
from pipeline.serving.requests import parse_request
from pipeline.wiring import daily_job, open_store
from tests.conftest import DEFAULT_BUNDLE
from tests.support.builders import bar_rows

TICKERS = ("SPY", "QQQ", "DIA", "IWM")
SESSION = date(2024, 12, 27)
AT = datetime(2024, 12, 27, 23, 30, tzinfo=UTC)
COLUMNS = [f"{side}_{coverage}" for coverage in INTERVALS for side in ("lower", "upper")]


def run_day(source: BarSource, folder: Path) -> tuple[Vintage, dict[str, np.ndarray]]:
    """Run the day; give the vintage and the published prices of each ticker, a row per horizon."""
    store, tables, calendar = FolderObjects(folder), ParquetTables(), ExchangeCalendar()
    job = daily_job(TICKERS, source, calendar, store=open_store(str(folder)), bundle=DEFAULT_BUNDLE)
    # The day before is scored, so that the gains are no longer the bundle's.
    for at in (AT - timedelta(days=1), AT):
        daily.run(job, at, at).require_complete()
    vintage = store.read("bars/month=2024-12/2024-12-27.00.parquet")
    table = pq.read_table(
        io.BytesIO((folder / "forecasts/month=2024-12/2024-12-27.00.parquet").read_bytes())
    ).to_pandas()
    published = {
        ticker: table[table.ticker == ticker][["prediction", "sigma", *COLUMNS]].to_numpy()
        for ticker in TICKERS
    }
    return Vintage.decode(tables, vintage or b""), published


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
    vintage, published = run_day(market(request), tmp_path)
    on_demand = OnDemand(model, CachedViews(FolderObjects(tmp_path).read, lambda: 0.0))

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
