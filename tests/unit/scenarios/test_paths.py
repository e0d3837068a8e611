"""Independent paths are the same for the same name."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.scenarios.paths import draw_paths

FIRST = (0.0388625184, -0.6184347002, -0.4272909417, -0.3179381102, 0.0801630872)


def test_a_name_has_its_own_paths_for_ever() -> None:
    drawn = draw_paths("2024-12-31 SPY", 5)
    assert np.array_equal(drawn, draw_paths("2024-12-31 SPY", 5))
    # Written down: another library's numbers would be another record.
    assert drawn[0] == pytest.approx(FIRST, abs=1e-9)
    assert abs(np.corrcoef(drawn[:, 0], draw_paths("2024-12-31 QQQ", 5)[:, 0])[0, 1]) < 0.1


def test_each_horizon_is_of_unit_size_and_sums_those_before() -> None:
    drawn = draw_paths("X", 5)
    assert drawn.std(axis=0) == pytest.approx(1.0, abs=0.06)
    assert np.corrcoef(drawn[:, 0], drawn[:, 3])[0, 1] == pytest.approx(0.5, abs=0.08)
