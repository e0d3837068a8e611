"""What if: the forecast from a session that has not been, whose bar is assumed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from pipeline.bars import Bars, Floats, RawBars
from pipeline.errors import InvalidField
from pipeline.forecasting.calibration import Calibration
from pipeline.forecasting.forecast import Forecast, forecast
from pipeline.forecasting.model import Model
from pipeline.forecasting.windows import MIN_SESSIONS

TYPICAL_SESSIONS = 125  # of which the range of a session is typical


@dataclass(frozen=True, slots=True)
class AssumedBar:
    """The bar of a session to come. `range` is high less low, as a part of the close before."""

    session: date
    open: float
    high: float
    low: float
    close: float
    range: float
    is_typical: bool


def assume_bar(bars: RawBars, session: date, change: float, range_: float | None) -> AssumedBar:
    """Return the bar of `session` after these bars: it opens at the last close.

    What the range has beyond the way from open to close lies above and below in equal parts. A
    typical range is that way, and the median of what the last sessions had beyond theirs.

    Parameters
    ----------
    change : the close over the last close, less 1
    range_ : high less low as a part of the last close; None for the typical one

    Raises
    ------
    InvalidField
        When the range is less than the change, or would take the low to 0.
    """
    opened = float(bars.close[-1])
    range_or_typical = abs(change) + _find_typical(bars) if range_ is None else range_
    beyond = (range_or_typical - abs(change)) / 2
    if beyond < 0:
        least = f"no less than the return, {_show(abs(change))}"
        raise InvalidField("#/range", least, _show(range_or_typical))
    close = opened * (1 + change)
    low = min(opened, close) - beyond * opened
    if low <= 0:
        most = 2 * (1 + min(change, 0.0)) + abs(change)
        below = f"less than {_show(most)}, for the low is above 0"
        raise InvalidField("#/range", below, _show(range_or_typical))
    high = max(opened, close) + beyond * opened
    return AssumedBar(session, opened, high, low, close, range_or_typical, range_ is None)


def forecast_after(
    bars: RawBars, assumed: AssumedBar, vix: RawBars | None, model: Model, calibration: Calibration
) -> Forecast:
    """Return the forecast from an assumed bar, by the spine; the VIX stays where it is.

    Raises
    ------
    InvalidBars
        When no market can have made the bars and the one assumed.
    """
    with_it = Bars.validate(_append(bars, assumed).tail(MIN_SESSIONS))
    return forecast([with_it], model, calibration, None if vix is None else _hold(vix, assumed))


def _show(part: float) -> str:
    """Return a part as a request has it, and as a command has it."""
    return f"{part:g} ({100 * part:g} %)"


def _find_typical(bars: RawBars) -> float:
    """Return by how much the range is more than the way from open to close, the median."""
    recent = bars.tail(TYPICAL_SESSIONS)
    way: Floats = np.abs(recent.close - recent.open)
    return float(np.median(np.maximum(recent.high - recent.low - way, 0.0) / recent.open))


def _append(bars: RawBars, assumed: AssumedBar) -> RawBars:
    """Return the bars with the assumed one after them; its volume is no feature."""
    numbers = {name: getattr(assumed, name) for name in ("open", "high", "low", "close")}
    numbers |= {"volume": float(bars.volume[-1]), "dividend": 0.0, "split": 0.0}
    columns = {name: np.append(getattr(bars, name), value) for name, value in numbers.items()}
    session = np.append(bars.session, np.datetime64(assumed.session, "D"))
    return RawBars(ticker=bars.ticker, session=session, **columns)


def _hold(vix: RawBars, assumed: AssumedBar) -> RawBars:
    """Return the VIX with its last close once more; it has none where it lacks that day's."""
    at = np.append(np.arange(len(vix)), len(vix) - 1)
    held = vix.rows(at)
    session = held.session.copy()
    session[-1] = np.datetime64(assumed.session, "D")
    return replace(held, session=session)
