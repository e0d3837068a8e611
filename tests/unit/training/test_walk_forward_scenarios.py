"""Scenarios of yearly refits: fitted, learnt and drawn of what lay before each origin."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from pipeline.backtest.pace import Progress
from pipeline.columns import where
from pipeline.forecasting.windows import MIN_SESSIONS
from tests.support.builders import bars
from tests.support.joint import change_after, joint_history

pytestmark = pytest.mark.training
HISTORY = joint_history(420, ("DIA", "SPY"))
SPAN = (date(2024, 11, 20), date(2025, 1, 31))


def score(history: object, last: date = SPAN[1]) -> tuple[dict[str, np.ndarray], list[Progress]]:
    from pipeline.training.walk_forward.scenarios import score_history

    seen: list[Progress] = []
    return dict(score_history(history, (SPAN[0], last), 1, seen.append)), seen  # type: ignore[arg-type]


def test_bars_added_later_change_no_score() -> None:
    whole, progress = score(HISTORY)
    cut = 12
    row = int(HISTORY.select_scored(*SPAN)[cut]) + 5  # the last outcome of the origin before
    changed, _ = score(change_after(HISTORY, row))
    before = whole["origin_date"] <= HISTORY.origin_date[row - 5]
    old, new = where(whole, before), where(changed, before)
    for name in ("crps", "energy_score", "var_990", "es_950", "realised"):
        assert np.array_equal(old[name], new[name], equal_nan=True), name
    assert not np.array_equal(whole["crps"], changed["crps"], equal_nan=True)
    assert (progress[0].done, progress[-1].done, progress[-1].total) == (0, 1, 1)


def test_what_a_template_learns_from_reaches_back_as_far_as_it_can() -> None:
    from pipeline.training.walk_forward.scenarios import TEMPLATE_SESSIONS, _find_learnt

    long, short = bars("SPY", 1500), bars("DIA", 500)
    first = long.session[-100].item()
    assert _find_learnt([long], first) == long.session[-100 - TEMPLATE_SESSIONS].item()
    assert _find_learnt([long, short], first) == short.session[MIN_SESSIONS - 1].item()
    young = bars("IWM", 100)
    assert _find_learnt([young], first) == first
