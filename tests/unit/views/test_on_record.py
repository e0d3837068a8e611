"""What there is on the record at all."""

from __future__ import annotations

from pipeline.forecasting.model import Model
from pipeline.record.manifest import Mode
from pipeline.views.on_record import survey
from tests.support.fakes import MemoryObjects
from tests.support.records import SESSIONS, backfilled, run_days


def test_sessions_are_named_by_mode_and_tickers_once(model: Model) -> None:
    store = run_days(model, SESSIONS[-2:], store=backfilled(model, SESSIONS[-5], SESSIONS[-3]))
    known = survey(store)
    assert known.sessions == {
        Mode.LIVE: tuple(SESSIONS[-2:]),
        Mode.BACKFILL: tuple(SESSIONS[-5:-2]),
    }
    assert known.tickers == ("QQQ", "SPY")


def test_of_an_empty_store_there_is_nothing() -> None:
    known = survey(MemoryObjects())
    assert (known.sessions, known.tickers) == ({}, ())
