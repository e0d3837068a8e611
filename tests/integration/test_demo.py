"""The demo has a past behind the real daily job, and says of both what they are."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from handlers.local import demo
from pipeline.adapters.exchange.calendar import ExchangeCalendar
from pipeline.adapters.simulated.market import SimulatedMarket
from pipeline.jobs import daily
from pipeline.wiring import DEFAULT_BUNDLE, DEFAULT_TICKERS, daily_job, open_store, parse_tickers

EVENING = datetime(2025, 6, 30, 23, tzinfo=UTC)
LATER = datetime(2025, 7, 3, 23, tzinfo=UTC)  # three sessions later


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "SESSIONS", 5)


def run_daily(location: str, at: datetime) -> None:
    calendar, names = ExchangeCalendar(), parse_tickers(DEFAULT_TICKERS)
    source, store = SimulatedMarket(calendar), open_store(location)
    daily.run(daily_job(names, source, calendar, store=store, bundle=DEFAULT_BUNDLE), at, at)


@pytest.mark.usefixtures("few")
def test_the_newest_session_is_left_to_the_daily_job(tmp_path: Path) -> None:
    location = str(tmp_path / "store")
    assert demo.fill(location, EVENING) == 5
    assert demo.fill(location, EVENING) == 0
    run_daily(location, EVENING)
    page = (tmp_path / "store" / "index.html").read_text(encoding="utf-8")
    assert "Forecasts from the close of Monday 2025-06-30" in page
    assert "Simulated, not real" in page
    assert "These forecasts are not live" not in page
    assert "5 sessions from 2025-06-24 to 2025-06-30, not live: made afterwards" in page


@pytest.mark.usefixtures("few")
def test_a_demo_that_is_run_again_later_fills_what_lies_between(tmp_path: Path) -> None:
    location = str(tmp_path / "store")
    demo.fill(location, EVENING)
    run_daily(location, EVENING)
    assert demo.fill(location, LATER) == 2
    run_daily(location, LATER)
    runs = sorted(path.name[:10] for path in (tmp_path / "store" / "runs").iterdir())
    assert runs[-4:] == ["2025-06-30", "2025-07-01", "2025-07-02", "2025-07-03"]


@pytest.mark.parametrize("arguments", [[], ["a", "b"]])
def test_wrong_use_is_said_in_a_line(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert demo.main(arguments) == 2
    assert capsys.readouterr().err.startswith("error: expected python -m handlers.local.demo STORE")


def test_what_cannot_be_a_store_is_refused_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert demo.main([str(tmp_path / "file")]) == 1
    assert capsys.readouterr().err.startswith("error: store: expected s3://bucket/prefix")
