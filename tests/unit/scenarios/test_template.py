"""A template keeps where outcomes lay: in a table, in a bundle, over several layers."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from pipeline.errors import StoreError
from pipeline.scenarios.template import (
    Template,
    from_columns,
    overlay,
    pack,
    select_known,
    to_columns,
    unpack,
)
from tests.support.templates import HORIZONS, TICKERS, template


def same(a: Template, b: Template) -> bool:
    return (
        a.tickers == b.tickers
        and np.array_equal(a.origin_date, b.origin_date)
        and np.array_equal(a.levels, b.levels, equal_nan=True)
    )


def with_gap(whole: Template) -> Template:
    levels = whole.levels.copy()
    levels[3, 1] = np.nan
    return replace(whole, levels=levels)


def test_a_table_keeps_every_level() -> None:
    kept = with_gap(template(20))
    assert same(from_columns(to_columns(kept), "table"), kept)


def test_a_bundle_keeps_every_level_in_few_bytes() -> None:
    kept = with_gap(template(1000))
    stored = pack(kept)
    assert same(unpack(stored, HORIZONS), kept)
    assert len(stored.units) + len(stored.origins) < 75_000


@pytest.mark.parametrize(
    ("column", "value"), [("pit", 0.12345), ("pit", 0.0), ("pit", 1.0), ("horizon", 7)]
)
def test_a_table_of_what_no_template_has_is_refused(column: str, value: float) -> None:
    columns = dict(to_columns(template(5)))
    columns[column] = columns[column].copy()
    columns[column][0] = value
    with pytest.raises(StoreError, match="expected a level of every ticker"):
        from_columns(columns, "table")


def test_rows_of_a_table_may_not_name_more_than_they_have() -> None:
    columns = dict(to_columns(template(5)))
    columns["ticker"] = np.array([f"T{at}" for at in range(len(columns["ticker"]))], object)
    with pytest.raises(StoreError, match="expected a level of every ticker"):
        from_columns(columns, "table")


def test_layers_lie_over_each_other() -> None:
    older, newer = template(10, ("QQQ", "SPY")), template(6, ("IWM", "SPY"), seed=2)
    newer.levels[0, 1] = np.nan
    both = overlay([older, newer], HORIZONS)
    assert both.tickers == ("IWM", "QQQ", "SPY")
    assert np.array_equal(both.origin_date, older.origin_date)
    assert np.array_equal(both.levels[5:, 2], newer.levels[1:, 1])
    assert np.array_equal(both.levels[4, 2], older.levels[4, 1])
    assert np.isnan(both.levels[:4, 0]).all()


def test_horizons_that_are_not_known_are_not_invented() -> None:
    assert np.isnan(template(4).to_horizons(7).levels[:, :, 5:]).all()
    assert template(4).to_horizons(2).levels.shape[2] == 2


def test_the_newest_origins_are_kept_and_tickers_without_any_are_not() -> None:
    long = template(1100)
    assert np.array_equal(long.newest().origin_date, long.origin_date[-1004:])
    levels = long.levels.copy()
    levels[:, 1] = np.nan
    levels[50] = np.nan
    newest = replace(long, levels=levels).newest()
    assert newest.tickers == ("DIA", "QQQ", "SPY")
    assert Template.empty(5).newest().tickers == ()


def test_what_had_not_closed_is_not_known() -> None:
    whole = template(20)
    sessions: list[date] = whole.origin_date.tolist()
    for at in (10, 15, 19):
        known = select_known(whole, sessions[: at + 1])
        assert known.origin_date[-1] == np.datetime64(sessions[at - HORIZONS])
    assert whole.tickers == TICKERS
