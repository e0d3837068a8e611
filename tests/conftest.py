"""Fixtures every test may use."""

from __future__ import annotations

from pathlib import Path

import pytest

REAL_BARS = Path(__file__).resolve().parents[2] / "shared" / "data" / "etfs"


@pytest.fixture(scope="session")
def real_bars() -> Path:
    """Folder of real daily bars kept beside the project, never in it."""
    if not REAL_BARS.is_dir():
        pytest.skip("real daily bars are not beside this clone (expected ../shared/data/etfs)")
    return REAL_BARS
