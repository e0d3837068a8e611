"""Two leaderboards side by side: the proof of the current bundle, and a new one's."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.backtest.text_tables import TextTable
from pipeline.forecasting.levels import INTERVALS

Scores = Mapping[str, float]

RATIO = "_ratio_vs_garch_t"
RATIOS = {"crps": "CRPS", "interval_score_80": "80 % score", "interval_score_95": "95 % score"}
METRICS = {
    **{f"{name}{RATIO}": title for name, title in RATIOS.items()},
    **{f"coverage_{c}": f"Coverage {c} %" for c in INTERVALS},
}
ALL = "all"


def compare_proofs(current: Scores, new: Scores) -> TextTable:
    """Return a row per metric, two columns per ticker and for all; a blank is not known."""
    names = list(dict.fromkeys([ALL, *filter(None, map(_parse_ticker, [*current, *new]))]))
    return TextTable(
        "The current bundle and the new one, each by its own proof",
        ("Metric", *(f"{name}\n{which}" for name in names for which in ("current", "new"))),
        tuple(
            (
                title,
                *(
                    _format_cell(scores, metric, name)
                    for name in names
                    for scores in (current, new)
                ),
            )
            for metric, title in METRICS.items()
        ),
        "CRPS and scores are ratios to GARCH(1,1)-t, lower is better; coverage is in percent.",
    )


def _parse_ticker(score: str) -> str:
    for metric in METRICS:
        if score.startswith(f"{metric}_"):
            return score.removeprefix(f"{metric}_")
    return ""


def _format_cell(scores: Scores, metric: str, ticker: str) -> str:
    value = scores.get(metric if ticker == ALL else f"{metric}_{ticker}")
    if value is None:
        return ""
    return f"{value:.3f}" if metric.endswith(RATIO) else f"{100 * value:.1f}"
