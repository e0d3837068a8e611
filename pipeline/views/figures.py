"""Figures: track_record.json, how the forecasts on the record have fared, typed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from msgspec import UNSET, Struct, UnsetType

from pipeline.record.manifest import Mode
from pipeline.record.state import Counts
from pipeline.views.scenario_figures import ScenarioFigures


class CoverageShare(Struct, frozen=True):
    """Empirical coverage of an interval, and the bounds in which chance keeps an honest one."""

    sessions: int
    coverage: float
    lower: float
    upper: float


class SkillScore(Struct, frozen=True):
    """1 - CRPS over the baseline's; of recent sessions with its error and Diebold-Mariano test.

    Nothing is set where there are no sessions; no error where there are too few to test.
    """

    sessions: int | UnsetType = UNSET
    skill: float | UnsetType = UNSET
    standard_error: float | None | UnsetType = UNSET
    t: float | UnsetType = UNSET
    p: float | UnsetType = UNSET
    days_to_prove: int | None | UnsetType = UNSET


class Figures(Struct, frozen=True):
    """Scores of horizon 1, of one ticker or of all together.

    `coverage` is by promised coverage in percent, `skill` by baseline; both then by span: `all`,
    or the last `60` or `250` sessions. A baseline without a score has no spans.
    """

    scored: int
    coverage: Mapping[str, Mapping[str, CoverageShare]]
    skill: Mapping[str, Mapping[str, SkillScore]]


class ModeFigures(Struct, frozen=True):
    """The figures of one mode; `e_values` is the evidence against each baseline.

    Of the `sessions`, the model of `in_sample_sessions` had learnt from what it forecast.
    """

    first_session: str
    last_session: str
    sessions: int
    in_sample_sessions: int
    e_values: Mapping[str, float]
    pooled: Figures
    tickers: Mapping[str, Figures]


class ManifestDigest(Struct, frozen=True):
    """The newest manifest's key and the sha256 of its bytes."""

    key: str
    sha256: str


class TrackRecord(Struct, frozen=True):
    """track_record.json: coverage, skill and evidence of `horizon`, by mode and ticker.

    `withheld` counts sessions by ticker and reason, `revised` by ticker and column. `others` maps
    the tickers that another model serves than that of `model_version` to its version. `scenarios`
    has by mode how the joint futures of first parts have fared.
    """

    schema_version: int
    session: date
    source: str
    model_version: str
    manifest: ManifestDigest
    horizon: int
    modes: Mapping[Mode, ModeFigures]
    withheld: Counts
    revised: Counts
    others: Mapping[str, str] | UnsetType = UNSET
    scenarios: Mapping[Mode, ScenarioFigures] = {}

    @property
    def shown_mode(self) -> Mode | None:
        """The mode whose figures count: `live` if there are any, else the newest other one."""
        if Mode.LIVE in self.modes:
            return Mode.LIVE
        return max(self.modes, key=lambda mode: self.modes[mode].last_session, default=None)
