"""Fixtures of the walk-forward backtest."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.ports import Columns


@pytest.fixture(scope="session")
def walked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Columns, Path]:
    """Scores and folder of an undisturbed run with the range-HAR."""
    # Here, so that other tests load no training library.
    from pipeline.training.walk_forward import walk_forward
    from tests.walks import plan, range_har

    folder = tmp_path_factory.mktemp("walked")
    return walk_forward(plan(range_har), folder), folder
