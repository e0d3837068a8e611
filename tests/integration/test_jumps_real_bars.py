"""Splits and frozen feeds among 472 US names over 21 years: who is withheld, and what is caught."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipeline.adapters.bar_folder.folder_bars import FolderBars
from pipeline.bar_patterns import find_frozen, find_unadjusted_split
from pipeline.bars import RawBars
from tests.support.commands import ALL_TIME, TICKERS
from tests.support.splits import RATIOS, plant_split

pytestmark = pytest.mark.real_bars


@pytest.fixture(scope="module")
def universe(real_bars: Path) -> list[RawBars]:
    path = real_bars.parent / "universe.parquet"
    if not path.is_file():
        pytest.skip("no universe beside this clone (expected ../shared/data/universe.parquet)")
    return list(split_by_ticker(path))


def split_by_ticker(path: Path) -> Iterator[RawBars]:
    table = pq.read_table(path)
    tickers = table.column("Ticker").to_numpy()
    columns = {name: table.column(name).to_numpy() for name in table.column_names[1:]}
    ends = np.flatnonzero(np.append(tickers[1:] != tickers[:-1], True)) + 1
    for first, end in zip(np.append(0, ends[:-1]), ends, strict=True):
        own = {name: column[first:end] for name, column in columns.items()}
        days = own.pop("Date").astype("datetime64[D]")
        values = {name.lower(): column.astype(np.float64) for name, column in own.items()}
        none = np.zeros(len(days))
        yield RawBars(tickers[first], days, **values, dividend=none, split=none)


def test_at_most_one_name_in_472_is_withheld_for_a_jump_in_21_years(
    universe: list[RawBars],
) -> None:
    assert len(universe) == 472
    withheld = [raw.ticker for raw in universe if find_unadjusted_split(raw) is not None]
    # On 2007-07-02 half of Tyco was split off, which the adjustment of its bars does not say.
    assert withheld == ["JCI"]


def test_twenty_planted_splits_of_twenty_are_caught(universe: list[RawBars]) -> None:
    random = np.random.default_rng(20)
    names = random.choice(len(universe), 20, replace=False)
    ratios = [RATIOS[at % len(RATIOS)] for at in range(20)]
    caught = 0
    for name, ratio in zip(names, ratios, strict=True):
        at = int(random.integers(130, len(universe[name])))
        window = plant_split(universe[name], at, ratio).rows(slice(at - 125, at + 1))
        found = find_unadjusted_split(window)
        caught += found is not None and found[0] == 125
    assert caught == 20


def test_of_any_planted_splits_hardly_one_escapes(universe: list[RawBars]) -> None:
    random = np.random.default_rng(1)
    missed = 0
    for _ in range(2000):
        raw, ratio = universe[random.integers(len(universe))], random.choice(RATIOS)
        at = int(random.integers(30, len(raw)))
        window = plant_split(raw, at, ratio).rows(slice(at - 25, at + 1))
        missed += find_unadjusted_split(window) is None
    assert missed <= 0.006 * 2000


def test_no_real_name_is_called_frozen(universe: list[RawBars]) -> None:
    assert [raw.ticker for raw in universe if find_frozen(raw) is not None] == []


def test_nothing_in_the_history_of_the_four_etfs_is_odd(real_bars: Path) -> None:
    reading = FolderBars(real_bars).read(TICKERS, *ALL_TIME)
    assert len(reading.bars) == 4
    for raw in reading.bars.values():
        assert find_frozen(raw) is None
        assert find_unadjusted_split(raw) is None
