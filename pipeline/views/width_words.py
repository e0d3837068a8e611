"""Width words: how an interval changed, and why, in words and in points that add up."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from math import expm1

from pipeline.views.documents import WidthChange

CAUSE_WORDS: Mapping[str, str] = {
    "last_session": "range and returns of the last session",
    "week": "volatility of the week",
    "month": "volatility of the month",
    "quarter": "volatility of the quarter",
    "falls": "falls and drawdown",
    "days_to_next": "days to the next session",
    "vix": "VIX",
    "calibration": "calibration",
}
_MINUS = "\N{MINUS SIGN}"


def share_out(change: WidthChange) -> tuple[float, dict[str, float]]:
    """Return the change in percent of the width before, and each cause's points, largest first.

    Logarithms add up where percentages do not. So each cause has its part of the percentage in the
    proportion of the logarithms, and the points add up to it.

    Notes
    -----
    Ang (2004), "Decomposition analysis for policymaking in energy", the additive form of the
    logarithmic mean Divisia index.
    """
    percent = 100 * expm1(change.change)
    scale = percent / change.change if change.change else 100.0
    causes = sorted(change.causes.items(), key=lambda cause: -abs(cause[1]))
    return percent, {cause: scale * share for cause, share in causes}


def compare_width(percent: float, before: date) -> str:
    """Return how much wider an interval is than the one from the session `before`."""
    rounded = round(percent)
    if rounded == 0:
        return f"As wide as the one from {before}"
    return f"{abs(rounded)} % {'wider' if rounded > 0 else 'narrower'} than the one from {before}"


def describe_width_change(change: WidthChange) -> tuple[str, str | None]:
    """Return how much wider an interval is, and why: causes of a point and more, largest first."""
    percent, points = share_out(change)
    said = [f"{CAUSE_WORDS[c]} {_format_points(p)}" for c, p in points.items() if round(p)]
    return compare_width(percent, change.before), f"{', '.join(said)} points" if said else None


def _format_points(points: float) -> str:
    return f"{round(points):+d}".replace("-", _MINUS)
