"""The board of scenarios as tables of text, for a terminal and for the model card alike."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.backtest.findings import NAMES
from pipeline.backtest.scenarios.board import ScenarioBoard, ScoreRow, TailRow
from pipeline.backtest.scenarios.score import FILTERED
from pipeline.backtest.text_tables import TextTable, format_p
from pipeline.scenarios.benchmarks import GAUSSIAN, INDEPENDENCE
from pipeline.scenarios.score_draw import OURS

MODEL_NAMES = {
    OURS: "Scenarios",
    GAUSSIAN: "Gaussian copula",
    INDEPENDENCE: "Independence",
    FILTERED: f"Filtered history, {NAMES['garch_t']}",
}
SCORE_NAMES = {"energy_score": "energy score", "variogram_score": "variogram score", "crps": "CRPS"}
SCORES_NOTE = (
    f"Ratios to multivariate filtered historical simulation with {NAMES['garch_t']} (the newest "
    "1,000 joint shocks, refitted every 21 sessions), lower is better. Gaussian copula: the "
    "published quantiles under the correlations of the last 250 sessions. DM: Diebold-Mariano of "
    "the scenarios against filtered history; negative t says that the scenarios are better. Energy "
    "and variogram (p = .5) scores are of the log returns of all tickers at once, CRPS of what a "
    "portfolio gains."
)
TAILS_NOTE = (
    "Days that lost more than VaR, in percent; Kupiec and Christoffersen: p-values, the smallest "
    "over series of targets that do not overlap, times their number. ES: mean loss beyond VaR over "
    "the ES of those days. Z2: Acerbi and Szekely's second test, 0 where losses are as forecast, "
    "below 0 where more is lost."
)


def describe_scenarios(board: ScenarioBoard) -> str:
    """Return a sentence that says what was scored."""
    return (
        f"Scenarios of {board.origins} origins from {board.first_origin} to {board.last_origin}, "
        f"{', '.join(board.tickers)} together, 1,000 each, coupled by what was known then."
    )


def build_scenario_tables(board: ScenarioBoard) -> list[TextTable]:
    """Return every table: scores, tails, and equal weights by year."""
    return [_build_scores(board), _build_tails(board), _build_years(board)]


def _build_scores(board: ScenarioBoard) -> TextTable:
    rows = {(row.portfolio, row.score, row.horizon, row.model): row for row in board.scores}
    return TextTable(
        "Scenarios: ratios to filtered history",
        ("Of", "Horizon", MODEL_NAMES[OURS], "DM t", "p", "Gaussian copula", "Independence"),
        tuple(
            (
                f"{portfolio}, {SCORE_NAMES[score]}",
                str(horizon),
                *_format_ours(row),
                *(
                    _format(rows[portfolio, score, horizon, other].ratio)
                    for other in (GAUSSIAN, INDEPENDENCE)
                ),
            )
            for (portfolio, score, horizon, model), row in rows.items()
            if model == OURS
        ),
        SCORES_NOTE,
    )


def _format_ours(row: ScoreRow) -> tuple[str, str, str]:
    if row.against is None:
        return _format(row.ratio), "", ""
    return _format(row.ratio), f"{row.against.t:.1f}", format_p(row.against.p)


def _build_tails(board: ScenarioBoard) -> TextTable:
    theirs = {_key(row): row for row in board.tails if row.model == FILTERED}
    return TextTable(
        "Scenarios: losses beyond VaR",
        (
            *("Of", "Horizon", "VaR, %", "Beyond, %", "Kupiec", "Christoffersen", "ES", "Z2"),
            *("Filtered history beyond, %", "ES"),
        ),
        tuple(
            (
                row.portfolio,
                str(row.horizon),
                f"{row.level:g}",
                *_format_tail(row),
                f"{100 * theirs[_key(row)].tail.exceeded:.1f}",
                _format(theirs[_key(row)].tail.es_ratio),
            )
            for row in board.tails
            if row.model == OURS and row.year is None
        ),
        TAILS_NOTE,
    )


def _key(row: TailRow) -> tuple[str, int, float, int | None]:
    return row.portfolio, row.horizon, row.level, row.year


def _format_tail(row: TailRow) -> Iterator[str]:
    yield f"{100 * row.tail.exceeded:.1f}"
    yield format_p(row.tail.kupiec_p)
    yield format_p(row.tail.christoffersen_p)
    yield _format(row.tail.es_ratio)
    yield f"{row.tail.z2:.2f}"


def _build_years(board: ScenarioBoard) -> TextTable:
    rows = {(row.year, row.model): row for row in board.tails if row.year is not None}
    years = list(dict.fromkeys(year for year, _ in rows))
    return TextTable(
        "Scenarios: days beyond the 95 % VaR of equal weights by calendar year, horizon 1, %",
        ("Year", *MODEL_NAMES.values()),
        tuple(
            (
                str(year),
                *(f"{100 * rows[year, model].tail.exceeded:.1f}" for model in MODEL_NAMES),
            )
            for year in years
        ),
    )


def _format(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
