"""State: the calibrator after a part, with what is still to be scored and how it went so far.

States are a chain: each is a pure function of the one before, the manifest before and the new
scores. None ever changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Annotated

import msgspec
import numpy as np
from msgspec import UNSET, Meta, UnsetType

from pipeline.bars import Floats
from pipeline.encoding import Number, from_json
from pipeline.forecasting.calibration import MAX_LOG_GAIN, Calibration
from pipeline.forecasting.levels import LEVELS
from pipeline.grid import round_decimals
from pipeline.ports import ObjectStore
from pipeline.record.manifest import Mode, RunManifest
from pipeline.record.objects import read_verified
from pipeline.record.running_scores import RunningScores
from pipeline.record.scenario_state import ScenarioState

SCHEMA_VERSION = 1
LARGEST_STATE = 256 * 2**20  # bytes; 5,000 tickers make 58 MB a mode
LogGain = Annotated[float, Meta(ge=-1, le=1)]
OfLevels = Annotated[tuple[LogGain, ...], Meta(min_length=len(LEVELS), max_length=len(LEVELS))]
Gains = tuple[OfLevels, ...]
Counts = Mapping[str, Mapping[str, int]]


def as_log_gains(gains: Floats) -> Gains:
    """Return gains float64 (n_horizons, n_levels) as a state keeps them."""
    return as_tuples(np.clip(np.log(gains), -MAX_LOG_GAIN, MAX_LOG_GAIN))


def as_tuples(values: Floats) -> Gains:
    """Return log gains float64 (n_horizons, n_levels) on the grid."""
    return tuple(tuple(row) for row in round_decimals(values).tolist())


class Outstanding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Horizons of a published part that are not scored yet, by ticker."""

    session: date
    part: Number
    mode: Mode
    tickers: Mapping[str, tuple[int, ...]]


class State(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the next part needs of all before it.

    `log_gains` are float (n_horizons, n_levels) per ticker; `tracks` are by mode: what was issued
    live stays apart. `withheld` counts, by ticker and reason, the sessions whose first part
    withheld it, and `revised`, by ticker and column, those whose vintage differed from the one
    before; both up to the part before. `earlier_models` maps each model version that served
    before this one to the manifest of its newest part, whose state has its gains. `others` has the
    version of the model that serves a ticker, of those that the one of `model_version` does not.
    """

    schema_version: int
    session: date
    part: Number
    previous: str | None
    model_version: str
    log_gains: Mapping[str, Gains]
    outstanding: tuple[Outstanding, ...] = ()
    tracks: Mapping[Mode, RunningScores] = {}
    withheld: Counts = {}
    revised: Counts = {}
    earlier_models: Mapping[str, str] = {}
    others: Mapping[str, str] | UnsetType = UNSET
    scenarios: ScenarioState = ScenarioState()

    @property
    def served_by_others(self) -> Mapping[str, str]:
        """Ticker -> version, of those that another model than that on duty serves."""
        return {} if self.others is UNSET else self.others

    def version_of(self, ticker: str) -> str:
        """Return the version of the model that serves a ticker."""
        return self.served_by_others.get(ticker, self.model_version)

    @property
    def calibration(self) -> Calibration:
        """The gains that the forecasts of this part are made with, on the grid."""
        return Calibration(
            {ticker: round_decimals(np.exp(gains)) for ticker, gains in self.log_gains.items()}
        )

    def encode(self) -> bytes:
        """Return the state as one line of JSON; equal states give equal bytes."""
        return msgspec.json.encode(self, order="deterministic") + b"\n"

    @classmethod
    def decode(cls, data: bytes, where_from: str) -> State:
        """Return the state in `data`; raises StoreError if it is none."""
        return from_json(data, cls, where_from, "a calibration state", largest=LARGEST_STATE)


def read_state(store: ObjectStore, run: RunManifest) -> State:
    """Return the state of a part; StoreError if it is not what the manifest names."""
    data = read_verified(store, run, run.calibration)
    return State.decode(data, store.url(run.calibration))


def list_outstanding(state: State | None, head: RunManifest | None) -> tuple[Outstanding, ...]:
    """Return what is still to be scored before a part: what was, and all that the head issued."""
    before = state.outstanding if state else ()
    if head is None or not head.published:
        return before
    horizons = tuple(range(1, head.horizons + 1))
    issued = dict.fromkeys(sorted(head.published), horizons)
    return (*before, Outstanding(head.session, head.part, head.mode, issued))


def count_withheld_and_revised(state: State, head: RunManifest | None) -> dict[str, Counts]:
    """Return the counts `withheld` and `revised` after the manifest before."""
    withheld, revised = state.withheld, state.revised
    if head is not None and head.opens_session:
        withheld = _add_counts(withheld, {t: [reason] for t, reason in head.withheld.items()})
        revised = _add_counts(revised, head.revisions)
    return {"withheld": withheld, "revised": revised}


def _add_counts(counts: Counts, seen: Mapping[str, Iterable[str]]) -> Counts:
    """Return the counts with one more of each name seen of a ticker."""
    after = {ticker: dict(names) for ticker, names in counts.items()}
    for ticker, names in seen.items():
        of_ticker = after.setdefault(ticker, {})
        for name in names:
            of_ticker[name] = of_ticker.get(name, 0) + 1
    return after
