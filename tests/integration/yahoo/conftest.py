"""The real yfinance client against a Yahoo on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.adapters.yahoo.yahoo_bars import YahooBars
from tests.support.builders import raw_bars
from tests.support.loopback_yahoo import LoopbackYahoo, loopback_yahoo
from tests.support.yahoo_source import TICKERS, PatientClock, make_source


@pytest.fixture
def yahoo(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackYahoo]:
    with loopback_yahoo(monkeypatch) as server:
        server.knows(*(raw_bars(ticker) for ticker in TICKERS))
        yield server


@pytest.fixture
def clock() -> PatientClock:
    return PatientClock()


@pytest.fixture
def source(yahoo: LoopbackYahoo, clock: PatientClock, tmp_path: Path) -> YahooBars:
    return make_source(tmp_path, clock)
