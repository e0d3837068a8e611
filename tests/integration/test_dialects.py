"""Files as people have them: each layout of tests/golden/bars means the bars of bars.json."""

from __future__ import annotations

import json
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.adapters.bar_folder.folder_bars import FolderBars
from pipeline.bars import COLUMNS, RawBars

GOLDEN = Path(__file__).parents[1] / "golden" / "bars"
LAYOUTS: dict[str, Any] = json.loads((GOLDEN / "bars.json").read_text(encoding="utf-8"))
FIRST, LAST = date(1990, 1, 1), date(2030, 1, 1)


def build(layout: dict[str, Any]) -> RawBars:
    """Return the bars that a layout means."""
    days, *columns = zip(*layout["bars"], strict=True)
    events = [
        [layout.get(name, {}).get(day, 0.0) for day in days] for name in ("dividends", "splits")
    ]
    numbers = (np.array(column, float) for column in (*columns, *events))
    return RawBars("SPY", np.array(days, "datetime64[D]"), *numbers)


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_means_its_bars_and_says_how_it_was_read(name: str, tmp_path: Path) -> None:
    shutil.copy(GOLDEN / f"{name}.csv", tmp_path / "SPY.csv")
    reading = FolderBars(tmp_path).read(["SPY"], FIRST, LAST)
    assert not reading.failures
    bars, expected = reading.bars["SPY"], build(LAYOUTS[name])
    np.testing.assert_array_equal(bars.session, expected.session)
    for column in COLUMNS:
        got, meant = getattr(bars, column), getattr(expected, column)
        np.testing.assert_array_equal(got, meant, err_msg=column)
    assert reading.dialects.get("SPY", "") == LAYOUTS[name]["dialect"]


def test_every_layout_has_its_bars() -> None:
    assert {path.stem for path in GOLDEN.glob("*.csv")} == LAYOUTS.keys()
