"""Template: where past outcomes lay in their own forecasts, which is how scenarios hang together.

A row is the vector of an origin: the level (probability integral transform) that each ticker's
outcome had at each horizon. The ranks of the vectors are the dependence across tickers and
horizons that was really seen (Clark et al., 2004).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from math import prod

import numpy as np
from numpy.typing import NDArray

from pipeline.bars import Flags, Floats, Sessions
from pipeline.columns import Columns
from pipeline.errors import StoreError
from pipeline.forecasting.bundle import StoredTemplate
from pipeline.scenarios.marginals import N_SCENARIOS

# Levels lie on a grid of halves of a thousandth, between its ends: no more is told by 1,000 ranks.
UNITS = 2000
COLUMNS = ("ticker", "origin_date", "horizon", "pit")


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """Levels of past outcomes.

    Attributes
    ----------
    tickers : in alphabetical order
    origin_date : datetime64[D] (n_origins,), increasing
    levels : float64 (n_origins, n_tickers, n_horizons) on the grid, NaN where not known
    """

    tickers: tuple[str, ...]
    origin_date: Sessions
    levels: Floats

    @classmethod
    def empty(cls, n_horizons: int) -> Template:
        return cls((), np.empty(0, "datetime64[D]"), np.empty((0, 0, n_horizons)))

    @classmethod
    def of_rows(
        cls,
        ticker: NDArray[np.object_],
        origin_date: Sessions,
        horizon: NDArray[np.int32],
        level: Floats,
        n_horizons: int,
    ) -> Template:
        """Return the template of n outcomes, in any order, a pair of ticker and origin once."""
        of_row = ticker.tolist()
        names = tuple(sorted(set(of_row)))
        place = {name: at for at, name in enumerate(names)}
        at_ticker = np.array([place[name] for name in of_row], np.int64)
        origins, at_origin = np.unique(origin_date, return_inverse=True)
        levels = np.full((len(origins), len(names), n_horizons), np.nan)
        levels[at_origin, at_ticker, horizon - 1] = to_grid(level)
        return cls(names, origins.astype("datetime64[D]"), levels)

    def to_horizons(self, n: int) -> Template:
        """Return the template with n horizons: others left out, or not known."""
        kept = self.levels[:, :, :n]
        levels = np.full((*kept.shape[:2], n), np.nan)
        levels[:, :, : kept.shape[2]] = kept
        return Template(self.tickers, self.origin_date, levels)

    def before(self, day: date) -> Template:
        """Return the origins before a day."""
        return self._rows(self.origin_date < np.datetime64(day, "D"))

    def newest(self) -> Template:
        """Return what scenarios are drawn from: 1,000 whole vectors, and those not whole yet."""
        most = N_SCENARIOS + self.levels.shape[2] - 1
        known: Flags = np.asarray(np.isfinite(self.levels).any(axis=(1, 2)))
        known[np.flatnonzero(known)[:-most]] = False
        kept = self._rows(known)
        seen = np.isfinite(kept.levels).any(axis=(0, 2))
        names = tuple(np.array(kept.tickers, object)[seen])
        return Template(names, kept.origin_date, kept.levels[:, seen])

    def _rows(self, rows: Flags) -> Template:
        return Template(self.tickers, self.origin_date[rows], self.levels[rows])


def to_grid(levels: Floats) -> Floats:
    """Return levels on the grid, its ends left out."""
    units: Floats = np.clip(np.rint(levels * UNITS), 1, UNITS - 1)
    return units / UNITS


def overlay(templates: Iterable[Template], n_horizons: int) -> Template:
    """Return several templates as one: where several know a level, the last has it."""
    layers = [template.to_horizons(n_horizons) for template in templates]
    tickers = sorted({ticker for layer in layers for ticker in layer.tickers})
    origins = np.unique(np.concatenate([layer.origin_date for layer in layers]))
    levels = np.full((len(origins), len(tickers), n_horizons), np.nan)
    for layer in layers:
        at_ticker = np.searchsorted(np.array(tickers, str), np.array(layer.tickers, str))
        at_origin = np.searchsorted(origins, layer.origin_date)
        places = np.ix_(at_origin, at_ticker)
        levels[places] = np.where(np.isfinite(layer.levels), layer.levels, levels[places])
    return Template(tuple(tickers), origins, levels)


def to_columns(template: Template) -> Columns:
    """Return the rows of the table: a level per ticker, horizon and origin, null if not known."""
    n_origins, n_tickers, n_horizons = template.levels.shape
    names = np.array(template.tickers, object)
    horizons = np.arange(1, n_horizons + 1, dtype=np.int32)
    return {
        "ticker": np.repeat(names, n_horizons * n_origins),
        "origin_date": np.tile(template.origin_date, n_tickers * n_horizons),
        "horizon": np.tile(np.repeat(horizons, n_origins), n_tickers),
        "pit": np.transpose(template.levels, (1, 2, 0)).ravel(),
    }


def from_columns(columns: Columns, where_from: str) -> Template:
    """Return the template in a table's rows; raises StoreError for what no template has."""
    ticker, origin, horizon, level = (columns[name] for name in COLUMNS)
    horizons = np.unique(horizon)
    sizes = (len(set(ticker.tolist())), len(np.unique(origin)), len(horizons))
    known = np.isfinite(level)
    on_grid = to_grid(level[known]) == level[known]
    numbered = np.array_equal(horizons, np.arange(1, len(horizons) + 1))
    if not (on_grid.all() and numbered and len(level) == prod(sizes)):
        raise StoreError(
            f"{where_from}: expected a level of every ticker, origin and horizon from 1, in steps "
            f"of 1/{UNITS} between 0 and 1"
        )
    return Template.of_rows(ticker, origin, horizon, level, len(horizons))


def pack(template: Template) -> StoredTemplate:
    """Return the template as a bundle keeps it."""
    units = np.nan_to_num(np.rint(template.levels * UNITS), nan=0.0)
    return StoredTemplate(
        tickers=template.tickers,
        origins=template.origin_date.astype(np.int64).astype("<u2").tobytes(),
        units=units.astype("<u2").tobytes(),
    )


def unpack(stored: StoredTemplate, n_horizons: int) -> Template:
    """Return the template that a bundle keeps, whose sizes `parse_bundle` has checked."""
    days = np.frombuffer(stored.origins, "<u2").astype(np.int64)
    units = np.frombuffer(stored.units, "<u2").astype(np.float64)
    shape = (len(days), len(stored.tickers), n_horizons)
    levels = np.where(units > 0, np.clip(units, 1, UNITS - 1) / UNITS, np.nan)
    return Template(stored.tickers, days.astype("datetime64[D]"), levels.reshape(shape))


def select_known(template: Template, expected: Sequence[date]) -> Template:
    """Return the origins whose every target had closed by the last of the `expected` sessions."""
    n_horizons = template.levels.shape[2]
    return template.before(expected[-n_horizons]) if len(expected) >= n_horizons else template
