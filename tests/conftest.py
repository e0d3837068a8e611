"""Fixtures every test may use."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from pipeline.bundle import ModelBundle, load_bundle
from pipeline.model import Model

DEFAULT_BUNDLE = Path(__file__).resolve().parents[1] / "models" / "default"
REAL_BARS = Path(__file__).resolve().parents[2] / "shared" / "data" / "etfs"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-skips", action="store_true", help="a skipped test is a failure")
    parser.addoption("--image", help="test this image; without, one is built on a stand-in base")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail what would be skipped, where --no-skips says that nothing is missing."""
    report = yield
    if report.skipped and item.config.getoption("--no-skips"):
        report.outcome = "failed"
        report.longrepr = f"skipped, yet nothing may be missing here: {report.longrepr}"
    return report


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
