"""The model card and its plots, by real matplotlib."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import numpy as np
import pytest

from pipeline.backtest.leaderboard import summarise
from pipeline.backtest.score_cube import ScoreCube
from pipeline.cli.backtest_files import BY_HAND as FILES
from pipeline.columns import Columns
from pipeline.errors import StoreError
from pipeline.forecasting.bundle import ModelBundle
from pipeline.training.report.model_card import WRITTEN_BY, write_model_card
from pipeline.training.report.plots import draw_plots
from tests.support.builders import scores_table

SCORES = scores_table({"forecaster": 1.0, "lstm": 1.05, "garch_t": 1.2, "ewma": 1.21}, n=800)
SPLIT = np.datetime64("2023-06-01")
DOCS = Path(__file__).resolve().parents[2] / "docs"
BY_HAND = {"Other tickers": "Sixty names.\n", "What was tried and lost": "A wider net lost."}


def write(scores: Columns, bundle: ModelBundle, folder: Path) -> str:
    written = write_model_card(scores, summarise(scores), bundle.manifest, BY_HAND, folder)
    assert all(path.is_file() for path in written)
    return (folder / "model-card.md").read_text()


@pytest.fixture(scope="module")
def card(bundle: ModelBundle, tmp_path_factory: pytest.TempPathFactory) -> str:
    return write(SCORES, bundle, tmp_path_factory.mktemp("docs"))


def test_the_card_says_what_a_reader_asks(card: str, bundle: ModelBundle) -> None:
    manifest = bundle.manifest
    for text in (
        manifest.model_version,
        manifest.training.data_sha256,
        f"{manifest.training.first_session} to {manifest.training.last_session}",
        "range-HAR 0.167, LSTM 0.44, trees 0.393",
        "## Leaderboard\n\n| Model | CRPS |",
        "### Forecaster by ETF, horizon 1",
        "## What it cannot do",
        "does not know the direction",
        "| Persistence's R2 |",
        "- Against GARCH(1,1)-t: ",
        "## Other tickers\n\nSixty names.\n\n## What was tried and lost\n\nA wider net lost.\n",
    ):
        assert text in card


def test_the_first_lines_are_the_leaderboards(card: str) -> None:
    board = summarise(SCORES)
    row = board.select_overall("forecaster")
    for when in ("from 2021-12-06 to 2024-12-26", "from 2019 on"):
        assert f"- {when}: CRPS {row.ratios['crps']:.3f}, 95 % interval score" in card
    assert f"Diebold-Mariano t of the CRPS {row.against['garch_t']['crps'].t:.1f}\n" in card
    better = sum(year.ratios["crps"] < 1 for year in board.select("year", 1, "forecaster"))
    assert f"Of 4 calendar years, its CRPS was better in {better}, its 95 %" in card


def test_every_picture_of_the_card_lies_beside_it(bundle: ModelBundle, tmp_path: Path) -> None:
    linked = re.findall(r"!\[[^]]+\]\(([^)]+)\)", write(SCORES, bundle, tmp_path))
    assert sorted(linked) == sorted(
        path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.svg")
    )
    assert "model-card/pit.svg" in linked


def test_every_row_of_a_table_has_as_many_cells_as_its_head(card: str) -> None:
    tables = re.findall(r"(?:^\|.*\n)+", card, re.MULTILINE)
    assert len(tables) > 8
    for table in tables:
        assert len({row.count("|") for row in table.splitlines()}) == 1


def test_equal_scores_give_equal_bytes(bundle: ModelBundle, tmp_path: Path) -> None:
    for folder in (tmp_path / "a", tmp_path / "b"):
        write(SCORES, bundle, folder)
    a, b = (
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.*")}
        for folder in (tmp_path / "a", tmp_path / "b")
    )
    assert a == b


def test_plots_are_svg_without_a_date_whatever_the_users_style() -> None:
    import matplotlib as mpl

    with mpl.rc_context({"axes.facecolor": "black", "font.size": 30, "svg.hashsalt": None}):
        styled = draw_plots(ScoreCube.from_scores(SCORES))
    assert styled == draw_plots(ScoreCube.from_scores(SCORES))
    for data in styled.values():
        assert ElementTree.fromstring(data).tag == "{http://www.w3.org/2000/svg}svg"
        assert b"dc:date" not in data


def test_years_outside_the_scores_are_named(card: str) -> None:
    assert "Of the worst years, 2008 and 2020 lie outside" in card


def test_pictures_may_begin_before_the_leaderboard(bundle: ModelBundle, tmp_path: Path) -> None:
    newer = {name: column[SCORES["origin_date"] > SPLIT] for name, column in SCORES.items()}
    write_model_card(SCORES, summarise(newer), bundle.manifest, BY_HAND, tmp_path)
    text = (tmp_path / "model-card.md").read_text()
    assert "The pictures begin with the origin of 2021-12-06, before the leaderboard does." in text
    assert "Origins from 2023-06-02 to 2024-12-26" in text


def test_without_the_reference_there_is_no_skill_over_time() -> None:
    ours = {name: column[SCORES["model"] == "lstm"] for name, column in SCORES.items()}
    assert set(draw_plots(ScoreCube.from_scores(ours))) == {
        "pit.svg",
        "coverage-by-year.svg",
        "worst-days.svg",
    }


def test_scores_of_days_that_the_bundle_was_trained_on_are_called_in_sample(
    bundle: ModelBundle, tmp_path: Path, card: str
) -> None:
    version = np.full(len(SCORES["crps"]), bundle.version, object)
    assert "**In sample**" in write(SCORES | {"model_version": version}, bundle, tmp_path / "in")
    assert "**In sample**" not in card
    training = msgspec.structs.replace(
        bundle.manifest.training, last_session=np.datetime64("2010-01-04").item()
    )
    older = msgspec.structs.replace(bundle.manifest, training=training)
    elder = write(SCORES | {"model_version": version}, replace(bundle, manifest=older), tmp_path)
    assert "**In sample**" not in elder


def test_a_folder_that_cannot_be_written_is_a_store_error(
    bundle: ModelBundle, tmp_path: Path
) -> None:
    (tmp_path / "docs").write_text("a file")
    with pytest.raises(StoreError, match="docs"):
        write(SCORES, bundle, tmp_path / "docs")


@pytest.mark.parametrize("name", FILES.values())
def test_what_is_written_by_hand_is_in_the_card_of_the_repository(name: str) -> None:
    assert (DOCS / name).read_text("utf-8").strip() in (DOCS / "model-card.md").read_text("utf-8")
    assert WRITTEN_BY in (DOCS / "model-card.md").read_text("utf-8")
