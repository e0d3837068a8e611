"""A joint history has what every ticker has, and tells an origin only what was known then."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from pipeline.backtest.scenarios.joint_history import JointHistory
from pipeline.bars import Bars
from pipeline.baselines.full_history import OriginQuantiles
from pipeline.errors import DataError
from tests.support.builders import bars
from tests.support.joint import joint_history
from tests.support.templates import HORIZONS, quantiles


def forecast(of: Bars, first: date) -> OriginQuantiles:
    origins = of.session[of.session >= np.datetime64(first)]
    return OriginQuantiles(origins, np.tile(quantiles(1)[0], (len(origins), 1, 1)))


def test_sessions_and_origins_are_those_that_all_tickers_share() -> None:
    long, short = bars("SPY", 120), bars("DIA", 90)
    gone = short.session[60]
    short = Bars.validate(short.rows(np.flatnonzero(short.session != gone)))
    first, last = short.session[40].item(), short.session[-10].item()
    history = JointHistory.of([long, short], forecast, first, last)
    assert history.tickers == ("DIA", "SPY")
    assert gone not in history.session
    assert gone not in history.origin_date
    assert (history.origin_date[0], history.origin_date[-1]) == (first, last)
    assert np.array_equal(history.close[:, 0], short.close[np.isin(short.session, history.session)])
    at = history.at[5]
    moved = np.log(history.close[at + 3] / history.close[at])
    assert history.realised[5, :, 2] == pytest.approx(moved)


def test_the_template_has_what_was_realised_by_the_origin_and_nothing_else() -> None:
    history = joint_history(160)
    row = 40
    template = history.learn_template(row)
    assert template.origin_date[-1] == history.origin_date[row - 1]
    known = np.isfinite(template.levels)
    for back in range(1, HORIZONS + 1):
        assert known[-back].all(axis=0).tolist() == [h <= back for h in range(1, HORIZONS + 1)]
    assert known[: -HORIZONS + 1].all()
    assert np.array_equal(template.levels[known], history.levels[:row][known])


def test_the_template_ends_with_the_newest_whole_vectors() -> None:
    history = joint_history(1400, first=10)
    template = history.learn_template(1300)
    assert np.isfinite(template.levels).all(axis=(1, 2)).sum() == 1000
    assert np.array_equal(template.newest().levels, template.levels, equal_nan=True)


def test_origins_are_scored_once_every_target_is_realised() -> None:
    history = joint_history(160)
    rows = history.select_scored(date(1990, 1, 1), date(2100, 1, 1))
    assert rows.tolist() == list(range(60 - HORIZONS))
    day = history.origin_date[7].item()
    assert history.select_scored(day, day).tolist() == [7]
    with pytest.raises(DataError, match="every target realised, got none"):
        history.select_scored(date(2100, 1, 1), date(2100, 1, 2))
