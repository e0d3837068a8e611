"""A record of two weeks, made once, and copies of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.commands import Forecaster, fill_store
from tests.support.record_commands import BACKFILL


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that a backfill of the simulated market has filled."""
    return fill_store(tmp_path_factory.mktemp("record"), *BACKFILL)


@pytest.fixture
def store(forecaster: Forecaster, made: Path) -> Path:
    """A copy of that store, to be changed at will."""
    shutil.copytree(made, "store")
    return Path("store")
