"""Cuts: the parts of the forecasts over which models are compared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pipeline.backtest.score_cube import ScoreCube
from pipeline.bars import Flags, Floats, RawBars, Sessions

# What is in the model was chosen on years up to this one; later years confirm it.
CHOSEN_UNTIL = 2018
CHOSEN, CONFIRMED = f"to {CHOSEN_UNTIL}", f"from {CHOSEN_UNTIL + 1}"
TERCILES = ("low", "middle", "high")


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """A part of the forecasts: `inside` is bool (n_tickers, n_origins)."""

    name: str
    value: str
    inside: Flags


def cut_forecasts(cube: ScoreCube, vix: RawBars | None) -> Iterator[Cut]:
    """Yield everything, both periods, each ticker, calendar year and tercile of the VIX.

    Origins without a close of the VIX are in no tercile.
    """
    shape = len(cube.tickers), len(cube.origins)
    yield Cut("all", "all", np.ones(shape, bool))
    years = cube.origins.astype("datetime64[Y]")
    chosen = years <= np.datetime64(str(CHOSEN_UNTIL))
    yield Cut("period", CHOSEN, np.broadcast_to(chosen, shape))
    yield Cut("period", CONFIRMED, np.broadcast_to(~chosen, shape))
    for i, ticker in enumerate(cube.tickers):
        yield Cut("ticker", ticker, np.broadcast_to(np.arange(shape[0])[:, None] == i, shape))
    for year in np.unique(years):
        yield Cut("year", str(year), np.broadcast_to(years == year, shape))
    limits, close = vix_limits(cube, vix), _find_closes(vix, cube.origins)
    if limits is not None:
        tercile = np.where(np.isfinite(close), np.searchsorted(limits, close), -1)
        for i, name in enumerate(TERCILES):
            yield Cut("vix", name, np.broadcast_to(tercile == i, shape))


def vix_limits(cube: ScoreCube, vix: RawBars | None) -> tuple[float, float] | None:
    """Return the closes of the VIX between the terciles of the origins, None without any."""
    close = _find_closes(vix, cube.origins)
    closes = close[np.isfinite(close)]
    if len(closes) == 0:
        return None
    low, high = np.quantile(closes, (1 / 3, 2 / 3))
    return float(low), float(high)


def _find_closes(vix: RawBars | None, origins: Sessions) -> Floats:
    """Return the VIX's close at each origin, NaN where it has none."""
    if vix is None:
        return np.full(len(origins), np.nan)
    close = dict(zip(vix.session.tolist(), vix.close.tolist(), strict=True))
    return np.array([close.get(origin, np.nan) for origin in origins.tolist()])
