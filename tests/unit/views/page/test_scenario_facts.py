"""The page says of the scenarios what they are, in words, a histogram and a heat map."""

from __future__ import annotations

import re

import numpy as np
import pytest

from pipeline.views.page.histogram import draw_histogram
from pipeline.views.page.scenario_facts import list_scenario_facts
from tests.support.pages import page
from tests.support.scenarios import cube, view

NONE = cube((), last_close=np.zeros(0), log_return=np.zeros((0, 0, 5), np.float32))
EQUAL = 100 * np.expm1(cube().log_return.astype(float)).mean(axis=1)


def test_tiles_are_of_equal_weights_in_the_next_session_and_in_five() -> None:
    facts = list_scenario_facts(view())
    assert facts is not None
    assert [tile.when for tile in facts.tiles] == [
        "Next session, until 2024-12-30",
        "5 sessions, until 2025-01-06",
    ]
    for tile, at in zip(facts.tiles, (0, 4), strict=True):
        assert tile.var_95 == f"{np.quantile(-EQUAL[:, at], 0.95):.2f} %"
        assert tile.es_975.startswith(f"{-np.sort(EQUAL[:, at])[:25].mean():.2f} ± ")


def test_a_cell_is_as_dark_as_its_correlation_and_says_its_sign() -> None:
    returns = cube().log_return.copy()
    returns[:, 1] = -returns[:, 0]
    facts = list_scenario_facts(view(cube(log_return=returns)))
    assert facts is not None
    assert [cell.text for cell in facts.correlations[0]][:2] == ["1.00", "\N{MINUS SIGN}1.00"]
    assert (facts.correlations[0][1].shade, facts.correlations[0][1].is_negative) == (10, True)


@pytest.mark.parametrize(
    "shown", [None, view(NONE), view(cube([f"T{k:02}" for k in range(13)], n=10))]
)
def test_without_scenarios_and_of_many_tickers_the_page_has_no_tiles(shown: object) -> None:
    assert list_scenario_facts(shown) is None
    assert "What equal weights can lose" not in page(scenarios=shown)


def test_the_histogram_has_every_scenario_and_marks_those_beyond_var() -> None:
    percent = EQUAL[:, 0]
    var = float(np.quantile(-percent, 0.95))
    svg = draw_histogram(percent, var)
    heights = [float(h) for h in re.findall(r'height="([\d.]+)"', svg)]
    assert max(heights) == pytest.approx(154, abs=0.1)
    beyond = re.findall(r'class="beyond" x="([\d.]+)"', svg)
    line = float(re.search(r'<line x1="([\d.]+)"', svg)[1])
    assert beyond
    assert max(map(float, beyond)) < line


def test_a_market_that_stands_still_has_a_histogram_too() -> None:
    assert "<svg" in draw_histogram(np.zeros(10), 0.0)


def test_the_page_of_four_tickers_grows_by_less_than_twelve_thousand_bytes() -> None:
    shown = page(scenarios=view(cube(("DIA", "IWM", "QQQ", "SPY"))))
    assert len(shown) - len(page()) < 12_000
    assert "1,000 equally likely joint futures" in shown
