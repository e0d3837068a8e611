"""The model card: what the model is for, what it scored and what it cannot do, generated."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from pipeline.adapters.folder_store import FolderObjects
from pipeline.backtest.findings import (
    describe_findings,
    describe_proof,
    describe_scores,
    name_model,
)
from pipeline.backtest.leaderboard import REFERENCE, Leaderboard
from pipeline.backtest.scenarios.board import ScenarioBoard
from pipeline.backtest.scenarios.text import build_scenario_tables, describe_scenarios
from pipeline.backtest.score_cube import ScoreCube
from pipeline.backtest.text_tables import TextTable, build_tables
from pipeline.bars import Sessions
from pipeline.columns import Columns
from pipeline.forecasting.bundle import Manifest
from pipeline.training.report.plots import WORST_YEARS, draw_plots

ByHand = Mapping[str, str]

CARD, PLOTS = "model-card.md", "model-card"
CAPTIONS = {
    "pit.svg": "Where closes fell in the forecast distribution, beside what was promised",
    "coverage-by-year.svg": "Closes inside the 95 and 80 % intervals, year by year",
    "skill-over-time.svg": f"CRPS saved against {name_model(REFERENCE)}, cumulated",
    "worst-days.svg": "95 % interval scores on the days of the largest moves of the worst years",
}
WRITTEN_BY = (
    "<!-- Generated with the backtest's scores: change `docs/other-tickers.md`, "
    "`docs/what-lost.md` or the code. -->"
)
IS_FOR = (
    "The model forecasts the distribution of the close of an ETF over the next sessions: eleven "
    "quantiles of the log return at each horizon, from the last 126 daily bars. It is for those "
    "who need to know how far a price may move: risk limits, position sizes, alarms. It is scored "
    "on the tickers below; of others it promises nothing, and another model serves them."
)
CANNOT = (
    "It does not know the direction of the next move, and nobody should trade on its median. Out "
    "of sample, R2 of the return and the share of days on which the sign of the median is right, "
    "beside always saying up:"
)
BLIND = (
    "It sees daily bars and, where there, the VIX; no news, no calendar of announcements, no "
    "prices within the day. A shock without warning is inside its intervals or it is not; they "
    "widen from the next session on."
)


def write_model_card(
    scores: Columns,
    board: Leaderboard,
    manifest: Manifest,
    by_hand: ByHand,
    folder: Path,
    scenarios: ScenarioBoard | None = None,
) -> list[Path]:
    """Write `model-card.md` and its plots to `folder`; equal input gives equal bytes.

    Parameters
    ----------
    scores : columns of the scores contract, drawn whole; `board` may summarise the newer of them
    manifest : of the bundle that the card is about
    by_hand : title -> markdown of the last sections, which no scores tell
    scenarios : None where none were scored

    Raises
    ------
    StoreError
        When the folder cannot be written.
    """
    plots = draw_plots(ScoreCube.from_scores(scores))
    files = {f"{PLOTS}/{name}": data for name, data in plots.items()}
    card = render_model_card(scores, board, manifest, by_hand, list(plots), scenarios)
    files[CARD] = card.encode()
    store = FolderObjects(folder)
    for key, data in files.items():
        store.replace(key, data)
    return [folder / key for key in files]


def render_model_card(
    scores: Columns,
    board: Leaderboard,
    manifest: Manifest,
    by_hand: ByHand,
    plots: Sequence[str],
    scenarios: ScenarioBoard | None = None,
) -> str:
    """Return the card as markdown; `plots` names the plots that lie in `model-card/`."""
    tables = build_tables(board)
    overall, level = tables[0], tables[-1]
    pictures = (f"![{CAPTIONS[name]}]({PLOTS}/{name})" for name in plots)
    sections = {
        "Model card": [WRITTEN_BY, IS_FOR, *describe_findings(board)],
        "The model": [_render_model(manifest)],
        "How it was scored": [*describe_scores(board), *_describe_refits(scores, board, manifest)],
        "Leaderboard": _render_table(overall),
        "Pictures": [*pictures, *_describe_drawn_span(scores["origin_date"], board)],
        "Every cut": [line for table in tables[1:-1] for line in _render_titled_table(table)],
        **_render_scenarios(scenarios),
        "What it cannot do": [CANNOT, *_render_table(level), BLIND],
        "How much live record proves its skill": _render_list(describe_proof(board)),
        **{title: [markdown.strip()] for title, markdown in by_hand.items()},
    }
    text = [
        "\n\n".join([f"{'#' if i == 0 else '##'} {title}", *lines])
        for i, (title, lines) in enumerate(sections.items())
    ]
    return "\n\n".join(text) + "\n"


def _render_model(manifest: Manifest) -> str:
    training, weights = manifest.training, manifest.members.items()
    libraries = ", ".join(f"{name} {version}" for name, version in manifest.libraries.items())
    facts = {
        "Model version": manifest.model_version,
        "Members and weights": ", ".join(f"{name_model(m)} {weight:.3g}" for m, weight in weights),
        "Input": f"window of {manifest.lookback} sessions x {len(manifest.feature_names)} features",
        "Covariates": ", ".join(manifest.covariates) or "none",
        "Horizons": ", ".join(map(str, manifest.horizons)),
        "Trained on": f"{', '.join(training.tickers)}, {training.first_session} to "
        f"{training.last_session}",
        "Digest of the data": f"`{training.data_sha256}`",
        "Digest of the ONNX file": f"`{manifest.onnx_sha256}`",
        "Libraries": libraries,
    }
    return "\n".join(_render_rows(("", ""), facts.items(), "| --- | --- |"))


def _describe_refits(scores: Columns, board: Leaderboard, manifest: Manifest) -> Iterator[str]:
    """Yield how many bundles made the forecasts, and a warning where one had seen its targets."""
    since = np.datetime64(board.first_origin)
    ours = (scores["model"] == board.models[0]) & (scores["origin_date"] >= since)
    versions = dict.fromkeys(scores["model_version"][ours].tolist())
    yield (
        f"{len(versions)} bundles in turn forecast these origins, each trained on what lay before "
        "its first."
        if len(versions) > 1
        else f"One bundle, {next(iter(versions))}, forecast all of these origins."
    )
    last_session = manifest.training.last_session
    if manifest.model_version in versions and board.first_origin <= last_session:
        yield (
            f"**In sample**: origins up to {last_session} are what this bundle was trained on. "
            "These scores prove nothing; a walk-forward does."
        )


def _describe_drawn_span(origins: Sessions, board: Leaderboard) -> Iterator[str]:
    """Yield where the pictures begin, if not with the leaderboard, and what they cannot show."""
    first = origins.min().item()
    if first != board.first_origin:
        yield f"The pictures begin with the origin of {first}, before the leaderboard does."
    scored = range(first.year, origins.max().item().year + 1)
    lacking = [str(year) for year in WORST_YEARS if year not in scored]
    if lacking:
        yield f"Of the worst years, {' and '.join(lacking)} lie outside the origins scored here."


def _render_scenarios(scenarios: ScenarioBoard | None) -> dict[str, list[str]]:
    """Return the section on scenarios, where any were scored."""
    if scenarios is None:
        return {}
    tables = [_render_titled_table(table) for table in build_scenario_tables(scenarios)]
    return {"Scenarios": [describe_scenarios(scenarios), *(line for t in tables for line in t)]}


def _render_titled_table(table: TextTable) -> list[str]:
    return [f"### {table.title}", *_render_table(table)]


def _render_table(table: TextTable) -> list[str]:
    rule = "| --- |" + " ---: |" * (len(table.columns) - 1)
    return ["\n".join(_render_rows(table.columns, table.rows, rule)), *filter(None, [table.note])]


def _render_rows(head: Sequence[str], rows: Iterable[Sequence[str]], rule: str) -> list[str]:
    body = [f"| {' | '.join(row)} |" for row in rows]
    return [f"| {' | '.join(head)} |", rule, *body]


def _render_list(lines: Sequence[str]) -> list[str]:
    return [*lines[:1], "\n".join(f"- {line}" for line in lines[1:])]
