"""Forecast own: what the daily run would make of a person's own bars, without a record."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime

import numpy as np

from pipeline.bars import RawBars
from pipeline.columns import Columns
from pipeline.errors import InvalidBars, Reason
from pipeline.forecasting.calibration import NEUTRAL, Calibration
from pipeline.forecasting.forecast import Forecast, forecast
from pipeline.forecasting.model import Model
from pipeline.forecasting.models import Models
from pipeline.forecasting.windows import MIN_SESSIONS
from pipeline.grid import round_decimals
from pipeline.jobs.newcomers import FURTHER_BACK
from pipeline.ports import Calendar
from pipeline.record.forecast_bars import select_forecast_bars
from pipeline.record.forecasters import DirectForecaster
from pipeline.record.manifest import Mode
from pipeline.record.notes import Note, find_notes
from pipeline.record.publish import find_unfit
from pipeline.record.tables import Stamp, build_forecast_columns
from pipeline.record.vintage import HISTORY_SESSIONS

# What only a forecast on the record has.
RECORDED = ("status", "mode", "vintage_sha256", "issued_at")


def forecast_own(
    raw: RawBars, vix: RawBars | None, models: Models, calendar: Calendar
) -> tuple[Columns, tuple[Note, ...]]:
    """Return the forecast from the last bar, a row per horizon, and notes.

    No gains are applied but those that a ticker starts with which the broad model serves.

    The columns are those of the forecasts table but what only a forecast on the record has.

    Raises
    ------
    DataError
        Where the daily run would withhold the ticker for its bars.
    ConfigError
        When the last bar is of no session of the calendar.
    """
    if not len(raw):
        raise InvalidBars(f"{raw.ticker}: expected bars, got none", Reason.NO_BARS)
    expected = calendar.ending(raw.session.max().item(), MIN_SESSIONS)
    bars = select_forecast_bars(raw, expected)
    model = models.select(raw.ticker)
    gains = NEUTRAL if model is models.main else _learn_gains(raw, vix, models, calendar)
    issued = forecast([bars], model, gains, vix)
    for ticker, reason in find_unfit(issued).items():
        raise InvalidBars(f"{ticker}: expected bars that a forecast follows from: {reason}", reason)
    targets = calendar.following(expected[-1], len(issued.horizons))
    return _build_columns(issued, targets, model), _find_notes(raw, vix, expected)


def _learn_gains(
    raw: RawBars, vix: RawBars | None, models: Models, calendar: Calendar
) -> Calibration:
    """Return the gains of a ticker's first forecast, from bars as far back as a first vintage's."""
    expected = calendar.ending(raw.session.max().item(), HISTORY_SESSIONS)
    first = expected[0] - FURTHER_BACK
    log_gains = DirectForecaster(models).first_log_gains(
        raw.since(first), None if vix is None else vix.since(first)
    )
    return Calibration({raw.ticker: round_decimals(np.exp(log_gains))})


def _build_columns(issued: Forecast, targets: Sequence[date], model: Model) -> Columns:
    stamp = Stamp(
        origin_date=issued.origin_date[0].item(),
        target_dates=tuple(targets),
        model_version=model.manifest.model_version,
        vintage_sha256="",
        issued_at=datetime(1970, 1, 1, tzinfo=UTC),
        mode=Mode.AS_OF,
    )
    columns = build_forecast_columns(issued, {}, stamp)
    return {name: column for name, column in columns.items() if name not in RECORDED}


def _find_notes(raw: RawBars, vix: RawBars | None, expected: Sequence[date]) -> tuple[Note, ...]:
    """Return what the daily run would note; who gave no VIX knows that it is missing."""
    covariates = {} if vix is None else {vix.ticker: vix}
    return find_notes({raw.ticker: raw, **covariates}, [raw.ticker], [*covariates], expected)
