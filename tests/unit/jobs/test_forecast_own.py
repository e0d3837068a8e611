"""A forecast of own bars: refused where the daily run would withhold, noted where it would note."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.bars import VIX
from pipeline.errors import InvalidBars, Reason
from pipeline.forecasting.calibration import NEUTRAL
from pipeline.forecasting.forecast import forecast
from pipeline.forecasting.model import Model
from pipeline.forecasting.models import Models
from pipeline.jobs import forecast_own as module
from pipeline.jobs.forecast_own import RECORDED, forecast_own
from pipeline.record.notes import NoteCode
from tests.support.builders import bars, raw_bars, weekdays
from tests.support.fakes import FixedCalendar

CALENDAR = FixedCalendar(weekdays(300, "2025-01-31").tolist())
RAW, INDEX = raw_bars("ABC"), raw_bars(VIX)


def test_it_is_the_spine_s_of_the_last_bar_with_its_target_days(model: Model) -> None:
    columns, notes = forecast_own(RAW, INDEX, Models(model), CALENDAR)
    spine = forecast([bars("ABC")], model, NEUTRAL, INDEX)
    np.testing.assert_array_equal(columns["lower_95"], spine.interval(95)[0][0])
    np.testing.assert_array_equal(columns["horizon"], model.manifest.horizons)
    days = ["2024-12-30", "2024-12-31", "2025-01-01", "2025-01-02", "2025-01-03"]
    assert columns["target_date"].astype(str).tolist() == days
    assert set(columns["model_version"]) == {model.manifest.model_version}
    assert columns.keys().isdisjoint(RECORDED)
    assert notes == ()


@pytest.mark.parametrize("reason", [Reason.NON_FINITE_OUTPUT, Reason.IMPLAUSIBLE_OUTPUT])
def test_what_a_model_answers_is_looked_at(
    model: Model, monkeypatch: pytest.MonkeyPatch, reason: Reason
) -> None:
    monkeypatch.setattr(module, "find_unfit", lambda issued: {issued.tickers[0]: reason})
    with pytest.raises(InvalidBars, match=f"ABC: expected bars that .*: {reason}") as refused:
        forecast_own(RAW, INDEX, Models(model), CALENDAR)
    assert refused.value.reason is reason


def test_an_old_vix_is_noted_and_none_is_not(model: Model) -> None:
    (note,) = forecast_own(RAW, INDEX.rows(slice(0, -2)), Models(model), CALENDAR)[1]
    assert note.code is NoteCode.VIX_STALE
    assert forecast_own(RAW, None, Models(model), CALENDAR)[1] == ()
