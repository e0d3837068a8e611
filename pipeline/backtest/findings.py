"""Findings: a leaderboard in sentences, and what models are called."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline.backtest.leaderboard import REFERENCE, Leaderboard, Row
from pipeline.backtest.score_cube import CALIBRATED
from pipeline.backtest.slices import CHOSEN_UNTIL, CONFIRMED
from pipeline.baselines.names import EWMA, GARCH_T, LABELS, PERSISTENCE

NAMES = {
    GARCH_T: LABELS[GARCH_T],
    "gjr_skew_t": "GJR-GARCH-skew-t",
    # The record's EWMA sees 300 sessions; here its quantiles are of the newest 1,000.
    EWMA: "EWMA .94 (1,000)",
    "auto_ets": "AutoETS",
    PERSISTENCE: "persistence, rolling 250",
    "lstm": "LSTM",
    "range_har": "range-HAR",
}
CHOSEN_NOTE = (
    f"What is in the model was chosen on origins up to {CHOSEN_UNTIL}; those {CONFIRMED} on "
    "confirm it."
)
WHY_R2_SAYS_NOTHING = (
    "R2 of the price level says nothing: over years prices wander so far that predicting no change "
    "at all explains nearly all of it, as the column beside it shows. What could be predicted is "
    "the return, and R2 of the return, against predicting none, is what there is of that."
)
PROOF = (
    "Live record that proves the lower CRPS at horizon 1, should it go on as it did "
    f"{CONFIRMED} on (sample size of a one-sided z test at 5 % with power 80 %, from the "
    "Diebold-Mariano t of those origins: days x ((1.645 + 0.842) / t)^2):"
)
SESSIONS_A_YEAR = 252


def name_model(model: str) -> str:
    """Return what people call a model."""
    return NAMES.get(model, model.replace("_", " "))


def describe_scores(board: Leaderboard) -> list[str]:
    """Return sentences that say what was scored."""
    row = board.select_overall(board.models[0], board.horizons[0])
    lines = [
        f"Origins from {board.first_origin} to {board.last_origin}: {row.days} days and "
        f"{row.forecasts} forecasts of {len(board.tickers)} tickers at horizon {row.horizon}, "
        f"{len(board.models)} models on the same forecasts."
    ]
    if board.left_out:
        lines.append(
            f"{board.left_out} forecasts that some model did not make are left out of all tables."
        )
    return lines


def describe_findings(board: Leaderboard) -> Iterator[str]:
    """Yield what a hurried reader must know, at the first horizon."""
    ours, horizon = board.models[0], board.horizons[0]
    years = board.select("year", horizon, ours)
    overall = board.select_overall(ours, horizon)
    if overall.ratios and ours != REFERENCE:
        whole = f"from {board.first_origin} to {board.last_origin}"
        confirmed = [row for row in board.select("period", horizon, ours) if row.value == CONFIRMED]
        spans = {whole: overall} | {f"{row.value} on": row for row in confirmed}
        yield (
            f"Against {name_model(REFERENCE)}, pooled over {', '.join(board.tickers)} at horizon "
            f"{horizon}, lower than 1 being better:"
        )
        yield "\n".join(f"- {when}: {_format_ratios(row)}" for when, row in spans.items())
        crps, score = (
            sum(row.ratios[name] < 1 for row in years) for name in ("crps", "interval_score_95")
        )
        yield (
            f"{CHOSEN_NOTE} Of {len(years)} calendar years, its CRPS was better in {crps}, its "
            f"95 % interval score in {score}."
        )
    yield _describe_coverage(board.select("ticker", horizon, ours), years)
    if CALIBRATED in board.models:
        calibrated = (board.select(cut, horizon, CALIBRATED) for cut in ("ticker", "year"))
        yield f"With the online calibrator on top: {_describe_coverage(*calibrated)}"


def _format_ratios(row: Row) -> str:
    difference = row.against.get(REFERENCE, {}).get("crps")
    scores = f"CRPS {row.ratios['crps']:.3f}, 95 % interval score "
    t = f"; Diebold-Mariano t of the CRPS {difference.t:.1f}" if difference else ""
    return f"{scores}{row.ratios['interval_score_95']:.3f}{t}"


def _describe_coverage(tickers: Sequence[Row], years: Sequence[Row]) -> str:
    distance, coverage, ticker = max(
        (abs(100 * share - coverage), coverage, row.value)
        for row in tickers
        for coverage, share in row.coverage.items()
    )
    share, year = min((row.coverage[95], row.value) for row in years)
    return (
        f"Every interval of every ETF covers what it promises within {distance:.1f} points "
        f"(furthest off: {ticker}, {coverage} %). The 95 % intervals cover {100 * share:.1f} % or "
        f"more in every calendar year (least in {year})."
    )


def describe_proof(board: Leaderboard) -> list[str]:
    """Return sentences that say how many days of live record prove the skill at horizon 1."""
    lines = [
        f"Against {name_model(opponent)}: {_format_live_time(days)}."
        for opponent, days in board.days_to_prove.items()
    ]
    return [PROOF, *lines] if lines else []


def _format_live_time(days: int | None) -> str:
    if days is None:
        return "no skill to prove"
    return f"{days} days, {days / SESSIONS_A_YEAR:.1f} years"
