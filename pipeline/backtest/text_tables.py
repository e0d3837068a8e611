"""The leaderboard as tables of text, for a terminal and for the model card alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.backtest.findings import CHOSEN_NOTE, WHY_R2_SAYS_NOTHING, name_model
from pipeline.backtest.leaderboard import REFERENCE, TESTED, Leaderboard, Row
from pipeline.backtest.score_cube import LOSSES
from pipeline.backtest.skill import Difference, PriceLevel
from pipeline.forecasting.levels import INTERVALS

CUTS = {"period": "period", "ticker": "ETF", "year": "calendar year", "vix": "tercile of the VIX"}
SCORE_COLUMNS = ("CRPS", "80 % score", "95 % score")
COVERAGE_COLUMNS = tuple(f"Cov. {c}" for c in INTERVALS)
TEST_COLUMNS = ("Kupiec", "Christoffersen")


@dataclass(frozen=True, slots=True)
class TextTable:
    """A titled table of text; the first column is names, the others are numbers."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def build_tables(board: Leaderboard) -> list[TextTable]:
    """Return every table of a leaderboard: overall first, then by cut, then the price level."""
    first = board.horizons[0]
    return [
        *(_build_overall(board, horizon) for horizon in board.horizons if horizon in (first, 5)),
        *_build_cuts(board, first),
        _build_by_horizon(board),
        *(_build_by_model(board, score, title) for score, title in _MATRICES),
        _build_price_levels(board, first),
    ]


def _build_overall(board: Leaderboard, horizon: int) -> TextTable:
    ours = board.models[0]
    against = board.select_overall(ours, horizon).against
    rows = [
        (name_model(row.model), *_format_scores(row), *_format_tests(against.get(row.model)))
        for row in board.select("all", horizon)
    ]
    return TextTable(
        f"Horizon {horizon}, pooled over {', '.join(board.tickers)}",
        ("Model", *SCORE_COLUMNS, *COVERAGE_COLUMNS, *TEST_COLUMNS, *_TEST_NAMES),
        tuple(rows),
        f"{_describe_unit(board)} Cov.: closes inside the interval, in percent. Kupiec and "
        "Christoffersen: p-values of the 95 % interval, the smallest over tickers and series of "
        "targets that do not overlap, times their number. DM: Diebold-Mariano of the first row "
        "against this one, on daily means over tickers; negative t says that the first row is "
        "better.",
    )


def _describe_unit(board: Leaderboard) -> str:
    if REFERENCE in board.models:
        return f"Scores are ratios to {name_model(REFERENCE)}, lower is better."
    return "Scores are in units of log return, lower is better."


_TEST_NAMES = ("DM t, CRPS", "p", "DM t, 95 %", "p")


def _build_cuts(board: Leaderboard, horizon: int) -> Iterator[TextTable]:
    ours = board.models[0]
    notes = {"period": CHOSEN_NOTE, "vix": _describe_terciles(board)}
    for cut, title in CUTS.items():
        rows = board.select(cut, horizon, ours)
        if rows:
            yield TextTable(
                f"{name_model(ours).capitalize()} by {title}, horizon {horizon}",
                (title, *_DETAIL_NAMES),
                tuple((row.value, *_format_detail(row)) for row in rows),
                " ".join(filter(None, [notes.get(cut), _describe_opponent(board)])),
            )


def _describe_opponent(board: Leaderboard) -> str:
    return f"DM is against {name_model(REFERENCE)}." if REFERENCE in board.models else ""


def _build_by_horizon(board: Leaderboard) -> TextTable:
    ours = board.models[0]
    rows = [board.select_overall(ours, horizon) for horizon in board.horizons]
    return TextTable(
        f"{name_model(ours).capitalize()} by horizon",
        ("Horizon", *_DETAIL_NAMES),
        tuple((str(row.horizon), *_format_detail(row)) for row in rows),
        _describe_opponent(board),
    )


_DETAIL_NAMES = ("Forecasts", *SCORE_COLUMNS, *COVERAGE_COLUMNS, *TEST_COLUMNS, "DM t, CRPS", "p")


def _format_detail(row: Row) -> tuple[str, ...]:
    differences = row.against.get(REFERENCE)
    return (str(row.forecasts), *_format_scores(row), *_format_tests(differences)[:2])


_MATRICES = (
    ("crps", "CRPS"),
    ("interval_score_95", "95 % interval score"),
    ("coverage_95", "Coverage of the 95 % interval, %"),
)


def _build_by_model(board: Leaderboard, score: str, title: str) -> TextTable:
    """Return one score of every model in every cut."""
    first = board.horizons[0]
    keys = [(cut, row.value) for cut in CUTS for row in board.select(cut, first, board.models[0])]
    cells = {(row.cut, row.value, row.model): row for row in board.rows if row.horizon == first}
    rows = [
        (
            value if cut != "vix" else f"VIX {value}",
            *(_format_score(cells[cut, value, model], score) for model in board.models),
        )
        for cut, value in keys
    ]
    return TextTable(
        f"{title}, horizon {first}",
        ("Part", *(name_model(model) for model in board.models)),
        tuple(rows),
        "" if score.startswith("coverage") else _describe_unit(board),
    )


def _build_price_levels(board: Leaderboard, horizon: int) -> TextTable:
    return TextTable(
        f"R2 of the price level, horizon {horizon}",
        (
            "Model",
            "ETF",
            "R2 of price",
            "Persistence's R2",
            "R2 of return",
            "Sign right, %",
            "Always up right, %",
        ),
        tuple(
            _format_price_level(level) for level in board.price_levels if level.horizon == horizon
        ),
        WHY_R2_SAYS_NOTHING,
    )


def _format_price_level(level: PriceLevel) -> tuple[str, ...]:
    r2 = (f"{value:.5f}" for value in (level.r2_price, level.r2_price_persistence))
    shares = (f"{100 * share:.1f}" for share in (level.sign_right, level.always_up_right))
    return (name_model(level.model), level.ticker, *r2, f"{level.r2_return:.4f}", *shares)


def _describe_terciles(board: Leaderboard) -> str:
    if board.vix_limits is None:
        return ""
    low, high = board.vix_limits
    return (
        f"Thirds of the origins by the close of the VIX there: below {low:.1f}, above {high:.1f}."
    )


def _format_scores(row: Row) -> tuple[str, ...]:
    scores = (_format_score(row, name) for name in LOSSES)
    covered = (_format_score(row, f"coverage_{c}") for c in INTERVALS)
    return (*scores, *covered, format_p(row.kupiec_p[95]), format_p(row.christoffersen_p[95]))


def _format_score(row: Row, score: str) -> str:
    if score.startswith("coverage_"):
        return f"{100 * row.coverage[int(score.removeprefix('coverage_'))]:.1f}"
    if score in row.ratios:
        return f"{row.ratios[score]:.3f}"
    return f"{getattr(row, score):.6f}"


def _format_tests(differences: dict[str, Difference] | None) -> tuple[str, ...]:
    tested = [(differences or {}).get(name) for name in TESTED]
    return tuple(cell for difference in tested for cell in _format_difference(difference))


def _format_difference(difference: Difference | None) -> tuple[str, str]:
    return ("", "") if difference is None else (f"{difference.t:.1f}", format_p(difference.p))


def format_p(p: float | None) -> str:
    """Return a p-value for a table, blank where there is none."""
    if p is None:
        return ""
    return f"{p:.3f}" if p >= 0.001 else f"{p:.0e}"
