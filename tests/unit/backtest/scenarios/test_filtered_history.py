"""Filtered historical simulation: past shocks of all tickers at once, at today's variance."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.joint import change_after, joint_history, still_filter

HISTORY = joint_history(1500, correlation=0.8)
RETURNS = np.diff(np.log(HISTORY.close), axis=0)


def test_without_news_tomorrow_is_each_of_the_newest_sessions_once() -> None:
    at = 1300
    drawn = still_filter(HISTORY).draw(at, 5)[:, :, 0]
    newest = RETURNS[at - 1000 : at]
    assert drawn[np.argsort(drawn[:, 0])] == pytest.approx(newest[np.argsort(newest[:, 0])])


def test_with_fewer_sessions_than_scenarios_they_come_again() -> None:
    drawn = still_filter(HISTORY).draw(251, 5)[:, :, 0]
    assert np.unique(np.round(drawn, 12), axis=0) == pytest.approx(
        RETURNS[1:251][np.lexsort(RETURNS[1:251].T[::-1])]
    )


def test_a_mean_is_added_each_session() -> None:
    still, rising = still_filter(HISTORY), still_filter(HISTORY, mu=0.1)
    moved = rising.draw(1300, 5) - still.draw(1300, 5)
    assert moved[:, :, 0] == pytest.approx(np.zeros((1000, 4)), abs=1e-12)
    shocks = RETURNS[300:1300].mean(axis=0)
    assert still.draw(1300, 5)[:, :, 4].mean(axis=0) == pytest.approx(5 * shocks)


def test_variance_follows_each_scenarios_own_shocks() -> None:
    lively = still_filter(HISTORY, **{"omega": 0.1, "alpha[1]": 0.3, "beta[1]": 0.6})
    drawn = lively.draw(1300, 2)
    first, second = drawn[:, 0, 0], drawn[:, 0, 1] - drawn[:, 0, 0]
    large = np.abs(first) > np.quantile(np.abs(first), 0.8)
    assert second[large].std() > 1.3 * second[~large].std()


def test_nothing_after_the_origin_changes_a_draw() -> None:
    row = 700
    at = int(HISTORY.at[row])
    names = {"omega": 0.1, "alpha[1]": 0.1, "beta[1]": 0.8}
    drawn = still_filter(HISTORY, **names).draw(at, 5)
    assert np.array_equal(drawn, still_filter(change_after(HISTORY, row), **names).draw(at, 5))
    assert not np.array_equal(drawn, still_filter(HISTORY, **names).draw(at + 1, 5))
