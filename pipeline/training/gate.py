"""The gate: a new bundle replaces the current one only if it is not worse on the same proof."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from math import isfinite, nan
from pathlib import Path

from pipeline.errors import WorseModel
from pipeline.forecasting.bundle import MANIFEST, load_bundle

Scores = Mapping[str, float]

CRPS = "crps_ratio_vs_garch_t"
COVERAGE = re.compile(r"coverage_(?P<nominal>\d+)(?P<ticker>_.+)?")
# What two trainings on nearly the same bars may differ by.
CRPS_TOLERANCE, COVERAGE_TOLERANCE = 0.002, 0.005
# How far from what it promises an interval may cover.
BUDGET = 0.01


def read_current_scores(folder: Path) -> Scores:
    """Return the scores of the bundle in `folder`, none without one; BundleMismatch if damaged."""
    return load_bundle(folder).manifest.scores if (folder / MANIFEST).exists() else {}


def refuse_worse(new: Scores, current: Scores) -> None:
    """Raise WorseModel if the new scores are worse than the current ones, or none where those are.

    Pooled CRPS may not be higher; no interval pooled over the tickers, and no ticker's 95 %
    interval, may cover more than a point beside its promise unless the current one does so too.
    What the current one has pooled the new one must have, as a number. Without current scores
    there is nothing to be worse than.
    """
    problems = list(_find_worse(new, current)) if current else []
    if problems:
        raise WorseModel(
            "expected a bundle not worse than the current one, which stays; got "
            + "; ".join(problems),
            current=current,
            new=new,
        )


def _find_worse(new: Scores, current: Scores) -> Iterator[str]:
    if not new:
        yield "one without proof, while the current one has it; another folder takes it"
        return
    unproven = [name for name in current if _is_pooled(name) and not isfinite(new.get(name, nan))]
    if unproven:
        yield f"no number for {', '.join(unproven)}"
        return
    if new[CRPS] > current[CRPS] + CRPS_TOLERANCE:
        yield f"CRPS {new[CRPS]:.4f} against {current[CRPS]:.4f} of GARCH(1,1)-t's"
    for name, share in new.items():
        match = COVERAGE.fullmatch(name)
        if match is None or (match["ticker"] and match["nominal"] != "95"):
            continue
        nominal = int(match["nominal"]) / 100
        current_share = current.get(name, nominal)
        allowed = _miscoverage(current_share, nominal) + COVERAGE_TOLERANCE
        if not _miscoverage(share, nominal) <= allowed:
            yield f"{name} {share:.4f} against {current_share:.4f}"


def _is_pooled(name: str) -> bool:
    match = COVERAGE.fullmatch(name)
    return name == CRPS or bool(match and not match["ticker"])


def _miscoverage(share: float, nominal: float) -> float:
    return max(abs(share - nominal) - BUDGET, 0.0)
