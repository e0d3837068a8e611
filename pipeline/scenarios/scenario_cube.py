"""ScenarioCube: equally likely joint futures of several tickers over all horizons."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from pipeline.bars import Floats


@dataclass(frozen=True, slots=True, eq=False)
class ScenarioCube:
    """The scenarios of one session: each is one joint draw of all tickers over all horizons.

    Attributes
    ----------
    tickers : in alphabetical order
    origin_date : session of the last bar that the forecasts used
    target_dates : one per horizon, 1 to the last
    last_close : float64 (n_tickers,), price at the origin
    log_return : float32 (n_scenarios, n_tickers, n_horizons), from the origin to each target
    """

    tickers: tuple[str, ...]
    origin_date: date
    target_dates: tuple[date, ...]
    last_close: Floats
    log_return: NDArray[np.float32]

    @property
    def price(self) -> Floats:
        """Closes of each scenario, float64 (n_scenarios, n_tickers, n_horizons)."""
        closes: Floats = self.last_close[:, None] * np.exp(self.log_return.astype(np.float64))
        return closes
