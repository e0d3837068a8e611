"""A walk-forward backtest small enough for tests, which trains in a moment or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from pathlib import Path

import numpy as np

from pipeline.backtest.history import MarketHistory
from pipeline.bars import Bars, RawBars
from pipeline.baselines.full_history import ewma, persistence
from pipeline.columns import Columns
from pipeline.forecasting.bundle import ModelBundle, load_bundle
from pipeline.training.trainers import train_range_har
from pipeline.training.walk_forward.run import WalkForward
from tests.conftest import DEFAULT_BUNDLE
from tests.support.builders import bars

FIRST, LAST = date(2022, 11, 1), date(2024, 1, 31)
YEARS = (2022, 2023, 2024)
SPY, QQQ = bars("SPY", 1850, seed=3), bars("QQQ", 1850, seed=4)
MARKET = MarketHistory((SPY, QQQ))

trained: list[date] = []
interrupted: set[int] = set()


@dataclass(frozen=True)
class Alone:
    bundle: ModelBundle
    members: Mapping[str, ModelBundle] = field(default_factory=dict)


def range_har(of: Sequence[Bars], vix: RawBars | None) -> Alone:
    """Train what takes a second."""
    return Alone(train_range_har(of, vix).bundle)


def shipped(of: Sequence[Bars], vix: RawBars | None) -> Alone:
    """Train nothing; remember the last session seen."""
    if of[0].session[-1].item().year in interrupted:
        raise KeyboardInterrupt
    trained.append(of[0].session[-1].item())
    bundle = load_bundle(DEFAULT_BUNDLE)
    return Alone(bundle, {"member": bundle})


def plan(trainer: Callable[..., Alone] = shipped, market: MarketHistory = MARKET) -> WalkForward:
    return WalkForward(market, trainer, {"ewma": ewma, "persistence": persistence}, FIRST, LAST)


def assert_equal(came: Columns, expected: Columns) -> None:
    assert list(came) == list(expected)
    for name, column in came.items():
        np.testing.assert_array_equal(column, expected[name], err_msg=name, strict=True)


def files(folder: Path) -> dict[str, str]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest() for path in found}


def seen(folder: Path) -> dict[str, str]:
    return {name: digest for name, digest in files(folder).items() if "/." not in name}
