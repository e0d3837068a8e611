"""Track records made of a few figures, for tests of what shows them."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec

from pipeline.record.manifest import Mode
from pipeline.views.figures import (
    CoverageShare,
    Figures,
    ManifestDigest,
    ModeFigures,
    SkillScore,
    TrackRecord,
)


def mode_figures(
    coverage: float = 0.95, skill: float = 0.031, sessions: int = 250, **changed: Any
) -> ModeFigures:
    """Return the figures of a mode of one ticker, the same over every span."""
    share = CoverageShare(sessions, coverage, 0.92, 0.976)
    recent = SkillScore(min(sessions, 60), skill)
    spans = {"all": SkillScore(sessions, skill), "60": recent}
    figures = Figures(
        scored=sessions,
        coverage={"95": {"all": share, "60": share, "250": share}},
        skill={"garch_t": spans, "ewma": spans, "persistence": {}},
    )
    of_mode = ModeFigures(
        first_session="2024-01-02",
        last_session="2024-12-27",
        sessions=sessions,
        in_sample_sessions=0,
        e_values={"garch_t": 21.5},
        pooled=figures,
        tickers={"SPY": figures},
    )
    return msgspec.structs.replace(of_mode, **changed)


def track_record(**modes: ModeFigures) -> TrackRecord:
    """Return the track record of 2024-12-27 with these modes."""
    return TrackRecord(
        schema_version=1,
        session=date(2024, 12, 27),
        source="made",
        model_version="2024-12-31-abc",
        manifest=ManifestDigest("runs/2024-12-27.00.json", "ab" * 32),
        horizon=1,
        modes={Mode(mode): figures for mode, figures in modes.items()},
        withheld={},
        revised={},
    )
