"""Independent: which of a part's tickers have scenarios that know nothing of the others'."""

from __future__ import annotations

import msgspec

from pipeline.record.manifest import RunManifest
from pipeline.record.notes import Note, NoteCode
from pipeline.record.part import PartInputs
from pipeline.record.prior_templates import PriorTemplates
from pipeline.scenarios.common_history import MIN_ORIGINS, find_apart
from pipeline.scenarios.scenario_cube import ScenarioCube

INDEPENDENT = (
    "scenarios are drawn independently of those of tickers with which fewer than "
    f"{MIN_ORIGINS} outcomes are known in common"
)


def with_independent(
    manifest: RunManifest, part: PartInputs, templates: PriorTemplates, cube: ScenarioCube | None
) -> RunManifest:
    """Return a part's manifest with a note of tickers that have no history with the others.

    The others are all tickers of the session, whichever part of it publishes them.

    Parameters
    ----------
    templates : what later parts go on with, of which the part has written the newest
    cube : the scenarios drawn, None for none
    """
    if cube is None:
        return manifest
    seen = (ticker for vintage in part.prior.seen for ticker in vintage.info.tickers)
    drawn_from = part.prior.templates.select(templates.layers[-1]).to_horizons(manifest.horizons)
    apart = find_apart(drawn_from, {*manifest.tickers, *seen})
    named = tuple(ticker for ticker in cube.tickers if ticker in apart)
    if not named:
        return manifest
    note = Note(NoteCode.INDEPENDENT, INDEPENDENT, named)
    return msgspec.structs.replace(manifest, notes=(*manifest.notes, note))
