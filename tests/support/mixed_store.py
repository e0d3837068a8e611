"""A store with sessions of every kind: in sample and not, made afterwards and live."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from pipeline.cli import main as cli
from pipeline.cli import options
from tests.support.clock import StoppedDatetime

# The model has learnt from data up to the end of 2024.
BACKFILLED = ("2024-12-20", "2025-01-10")
LIVE = ("2025-01-13", "2025-01-14", "2025-01-15")


def fill_mixed_store(folder: Path) -> Path:
    """Backfill three weeks of the simulated market, run three sessions live, return the store."""
    store = fill_store_with_backfill(folder / "store")
    for session in LIVE:
        _forecaster(session, "run", "--store", str(store))
    return store


def fill_store_with_backfill(store: Path) -> Path:
    """Backfill the three weeks on the evening of their last day, and return the store."""
    first, last = BACKFILLED
    _forecaster(last, "backfill", "--from", first, "--to", last, "--store", str(store))
    return store


def _forecaster(day: str, *args: str) -> None:
    """Run a command on the evening of a day."""
    evening = datetime.fromisoformat(f"{day}T20:00").replace(tzinfo=options.NEW_YORK)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as exited:
        patch.setattr(options, "datetime", StoppedDatetime(evening))
        cli.main([*args, "--bars", "simulated"])
    assert exited.value.code == 0
