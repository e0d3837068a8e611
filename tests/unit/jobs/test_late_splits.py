"""A split whose prices the source adjusts a day late costs the ticker one session."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.bars import RawBars
from pipeline.errors import InvalidBars, Reason
from pipeline.forecasting.model import Model
from pipeline.record.forecast_bars import select_forecast_bars
from tests.support.records import (
    SESSIONS,
    market,
    run_day,
    run_days,
    scaled,
    scores_of,
    with_column,
)

BEFORE, DAY, AFTER, LATER = SESSIONS[-4:]
AT = len(SESSIONS) - 3  # row of the split's session


def adjusted(ratio: float, event: bool = True) -> RawBars:
    """QQQ's bars once the split is known: prices before it divided."""
    raw = scaled(market()["QQQ"], 1.0 / ratio)
    raw = replace(raw, volume=raw.volume * ratio)
    return with_column(raw, "split", AT, ratio) if event else raw


def unadjusted(ratio: float, event: bool) -> RawBars:
    """The same market as the source has it on the day: prices before it as they were."""
    raw = scaled(adjusted(ratio, event), ratio, slice(0, AT))
    return replace(raw, volume=np.r_[raw.volume[:AT] / ratio, raw.volume[AT:]])


@pytest.mark.parametrize("event", [True, False], ids=["event known", "event unknown"])
@pytest.mark.parametrize("ratio", [2.0, 3.0, 4.0, 1 / 3], ids=str)
def test_it_is_withheld_that_day_and_published_the_next(
    model: Model, ratio: float, event: bool
) -> None:
    store = run_days(model, [BEFORE])
    told = run_day(model, store, DAY, market(QQQ=unadjusted(ratio, event)))
    assert told.withheld == {"QQQ": Reason.PRICE_JUMP}
    for session in (AFTER, LATER):
        told = run_day(model, store, session, market(QQQ=adjusted(ratio)))
        assert told.withheld == {}
        assert told.manifests[0].revisions == {}
    # What was issued before it is scored in prices as they were quoted then.
    plain = scores_of(run_days(model, SESSIONS[-4:]))
    scores = scores_of(store)
    for key in (("QQQ", BEFORE, horizon, "forecaster") for horizon in (1, 2, 3)):
        assert scores[key]["realised_return"] == pytest.approx(
            plain[key]["realised_return"], abs=2e-9
        )


def test_the_message_names_the_split_that_is_in_the_bars() -> None:
    with pytest.raises(InvalidBars, match=rf"a split of 4 for 1 on {DAY}: were prices") as told:
        select_forecast_bars(unadjusted(4.0, event=True), SESSIONS[-320:])
    assert told.value.reason is Reason.PRICE_JUMP
    with pytest.raises(InvalidBars, match="unadjusted split.*; the bars have no split"):
        select_forecast_bars(unadjusted(4.0, event=False), SESSIONS[-320:])


def test_an_event_alone_explains_no_other_prices(model: Model) -> None:
    store = run_days(model, [BEFORE, DAY], market(QQQ=adjusted(2.0)))
    other = scaled(adjusted(2.0), 0.9, slice(0, AT))
    assert run_day(model, store, AFTER, market(QQQ=other)).withheld == {
        "QQQ": Reason.UNEXPLAINED_REVISION
    }


def test_a_split_beside_a_close_of_nothing_is_no_error(model: Model) -> None:
    odd = with_column(unadjusted(2.0, event=True), "close", AT - 1, 0.0)
    store = run_days(model, [BEFORE])
    assert run_day(model, store, DAY, market(QQQ=odd)).withheld == {
        "QQQ": Reason.NON_POSITIVE_PRICE
    }
    assert "SPY" in run_day(model, store, AFTER, market(QQQ=adjusted(2.0))).published
