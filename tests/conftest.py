"""Fixtures every test may use."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.bundle import ModelBundle, load_bundle
from pipeline.model import Model

DEFAULT_BUNDLE = Path(__file__).resolve().parents[1] / "models" / "default"
REAL_BARS = Path(__file__).resolve().parents[2] / "shared" / "data" / "etfs"


@pytest.fixture(scope="session")
def real_bars() -> Path:
    """Folder of real daily bars kept beside the project, never in it."""
    if not REAL_BARS.is_dir():
        pytest.skip("real daily bars are not beside this clone (expected ../shared/data/etfs)")
    return REAL_BARS


@pytest.fixture(scope="session")
def bundle() -> ModelBundle:
    """The shipped bundle."""
    return load_bundle(DEFAULT_BUNDLE)


@pytest.fixture(scope="session")
def model(bundle: ModelBundle) -> Model:
    """A session on the shipped bundle."""
    return Model(bundle)
