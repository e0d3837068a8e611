"""Sources: what the page is a function of, and which of it a page has room for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import msgspec
import numpy as np

from pipeline.bars import RawBars
from pipeline.record.manifest import RunManifest
from pipeline.record.revisions import split_factor_since
from pipeline.views.documents import Latest, TickerForecast
from pipeline.views.figures import TrackRecord
from pipeline.views.history import MOST_TICKERS, PastForecast
from pipeline.views.scenario_view import ScenarioView

FEW = 12  # tickers of which the page says all in words; of more, a row each
# How many tickers at most -> the sessions shown of each, so that a page stays a page.
SESSIONS = {FEW: 252, 100: 60, MOST_TICKERS: 20}


@dataclass(frozen=True, eq=False)
class PageSources:
    """What the page shows of the newest session.

    Attributes
    ----------
    history : ticker -> its past forecasts, oldest first
    bars : of few tickers those that their forecasts were made from; else nothing
    runs : manifests of the session's parts, in order
    scenarios : what there is of them, None where nothing is known
    """

    latest: Latest
    record: TrackRecord
    history: Mapping[str, Sequence[PastForecast]]
    bars: Mapping[str, RawBars]
    runs: Sequence[RunManifest]
    scenarios: ScenarioView | None = None

    @cached_property
    def tickers(self) -> Mapping[str, TickerForecast]:
        """The tickers that are shown: the first 500 by name."""
        return dict(islice(self.latest.tickers.items(), MOST_TICKERS))

    @property
    def are_few(self) -> bool:
        return len(self.tickers) <= FEW

    @property
    def sessions_shown(self) -> int:
        """How many sessions of each ticker are shown."""
        return next(n for most, n in SESSIONS.items() if len(self.tickers) <= most)

    def past_of(self, ticker: str) -> Sequence[PastForecast]:
        """Return a ticker's past forecasts as prices are quoted now, splits since undone."""
        rows, bars = self.history.get(ticker, ()), self.bars.get(ticker)
        if bars is None or not rows:
            return rows
        factors = split_factor_since(bars, np.array([row.origin_date for row in rows], "M8[D]"))
        return [_divide(row, factor) for row, factor in zip(rows, factors.tolist(), strict=True)]


def _divide(row: PastForecast, factor: float) -> PastForecast:
    if factor == 1.0:
        return row
    prices = {
        name: getattr(row, name) / factor for name in ("realised_close", "lower_95", "upper_95")
    }
    return msgspec.structs.replace(row, **prices)
