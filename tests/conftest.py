"""Fixtures every test may use."""

from __future__ import annotations

import re
from collections.abc import Generator
from importlib.util import find_spec
from pathlib import Path

import pytest

from pipeline.forecasting.bundle import ModelBundle, load_bundle
from pipeline.forecasting.model import Model
from tests.support.clock import travel_to

DEFAULT_BUNDLE = Path(__file__).resolve().parents[1] / "models" / "default"
REAL_BARS = Path(__file__).resolve().parents[2] / "shared" / "data" / "etfs"

# What a module imports that needs the libraries of training.
TRAINING = re.compile(r"^(?:from|import) (?:pipeline\.training|onnx|sklearn|torch)\b", re.MULTILINE)
HAS_TRAINING = find_spec("torch") is not None


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-skips", action="store_true", help="a skipped test is a failure")
    parser.addoption("--now", help="run the tests as if they began then, like 2031-08-02T12:00Z")
    parser.addoption("--image", help="test this image; without, one is built on a stand-in base")


def pytest_configure(config: pytest.Config) -> None:
    """Set this process's clock to --now; programs that tests start keep the machine's."""
    if moment := config.getoption("--now"):
        config.add_cleanup(travel_to(moment))


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say which day it is and what is left out; see pytest_ignore_collect."""
    lines = [f"the clock began at {now}"] if (now := config.getoption("--now")) else []
    left_out = [] if HAS_TRAINING else ["no torch here: the tests of training are left out"]
    return lines + left_out


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out what cannot be imported without the libraries of training, where they are not."""
    if HAS_TRAINING or collection_path.suffix != ".py" or config.getoption("--no-skips"):
        return None
    return True if TRAINING.search(collection_path.read_text()) else None


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip the single tests that need the libraries of training, where they are not."""
    if not HAS_TRAINING and item.get_closest_marker("training"):
        pytest.skip("the libraries of training are not installed (expected torch)")


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
