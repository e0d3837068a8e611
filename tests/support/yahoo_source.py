"""What tests of the Yahoo adapter share: a clock that only sleep moves, and bars to compare."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from datetime import date
from pathlib import Path

import numpy as np

from pipeline.adapters.yahoo.yahoo_bars import YahooBars
from pipeline.bars import COLUMNS, RawBars
from tests.support.builders import raw_bars

FIRST = date(2024, 11, 1)
LAST = date(2024, 12, 27)
TICKERS = ("SPY", "QQQ", "DIA", "IWM")


@dataclass
class PatientClock:
    """Time that passes only in sleep."""

    left: float = 900.0
    slept: list[float] = field(default_factory=list)

    def remaining(self) -> float:
        return self.left

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.left -= seconds


def make_source(
    cache_dir: Path, clock: PatientClock, **options: float | Callable[[], float]
) -> YahooBars:
    options = {"timeout": 5.0, "attempts": 3, "random": lambda: 1.0} | options
    return YahooBars(cache_dir, clock.remaining, sleep=clock.sleep, **options)


def sent(ticker: str = "SPY") -> RawBars:
    return raw_bars(ticker).since(FIRST).as_of(LAST)


def assert_equal(got: RawBars, expected: RawBars) -> None:
    assert got.session.dtype == np.dtype("datetime64[D]")
    for name in (f.name for f in fields(RawBars)):
        np.testing.assert_array_equal(getattr(got, name), getattr(expected, name), err_msg=name)


def keep(bars: RawBars, rows: list[int]) -> RawBars:
    columns = {name: getattr(bars, name)[rows] for name in ("session", *COLUMNS)}
    return RawBars(ticker=bars.ticker, **columns)


def with_value(name: str, row: int, value: float) -> RawBars:
    column = getattr(raw_bars(), name).copy()
    column[row] = value
    return raw_bars(**{name: column})
