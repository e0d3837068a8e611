"""A folder of mixed dialects through run, record, notes, replay and verify."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.adapters.bar_folder.folder_bars import FolderBars
from pipeline.bars import PRICES, RawBars
from tests.support.commands import ALL_TIME, BEFORE, SESSION, Forecaster, digests
from tests.support.dialects import (
    Write,
    write_german,
    write_marketwatch,
    write_nasdaq,
    write_yahoo,
)

WRITERS: dict[str, Write] = {
    "SPY": write_marketwatch,
    "QQQ": write_nasdaq,
    "DIA": write_nasdaq,
    "IWM": write_yahoo,
    "^VIX": write_german,
}


@pytest.fixture
def mixed(bars: Path) -> Path:
    """Folder of bars in cents, and beside it `plain` with the same as Yahoo exports them."""
    reading = FolderBars(bars).read(list(WRITERS), *ALL_TIME)
    for folder in ("mixed", "plain"):
        Path(folder).mkdir()
        for ticker, raw in reading.bars.items():
            write = WRITERS[ticker] if folder == "mixed" else write_yahoo
            text = write(_round(raw), 2)
            Path(folder, f"{ticker}.csv").write_text(text, encoding="utf-8")
    return Path("mixed")


def _round(raw: RawBars) -> RawBars:
    prices: dict[str, Any] = {name: getattr(raw, name).round(2) for name in PRICES}
    return replace(raw, **prices, volume=raw.volume.round(-4))


def notes(part: int = 0) -> list[dict[str, Any]]:
    manifest = Path(f"store/runs/{SESSION}.{part:02}.json")
    dialects = json.loads(manifest.read_text()).get("notes", [])
    return [note for note in dialects if note["code"] == "file_dialect"]


EXPECTED = {
    ("SPY",): "the file was read as MarketWatch, WSJ or Excel export, M/D/YYYY, commas between "
    "thousands, newest first",
    ("QQQ", "DIA"): "the file was read as Nasdaq.com export, M/D/YYYY, newest first",
    ("^VIX",): "the file was read as Ariva export, D.M.YYYY, ';' between fields, decimal comma",
}


def test_a_run_notes_how_files_were_read_and_is_made_again_alike(
    forecaster: Forecaster, mixed: Path
) -> None:
    for session in (BEFORE, SESSION):
        assert forecaster("run", "--bars", mixed, "--as-of", session).code == 0
    assert {tuple(note["tickers"]): note["message"] for note in notes()} == EXPECTED
    assert "Note: QQQ, DIA: the file was read as Nasdaq.com" in forecaster("show").out
    before = digests(Path("store"))
    assert forecaster("replay", SESSION).code == 0
    assert forecaster("verify", "--deep").code == 0
    assert forecaster("run", "--bars", mixed, "--as-of", SESSION).code == 0
    assert digests(Path("store")) == before


def test_a_backfill_notes_them_too(forecaster: Forecaster, mixed: Path) -> None:
    args = ("--bars", mixed, "--from", BEFORE, "--to", SESSION)
    assert forecaster("backfill", *args).code == 0
    assert {tuple(note["tickers"]): note["message"] for note in notes()} == EXPECTED
    assert forecaster("verify", "--deep").code == 0


def test_forecasts_are_those_of_the_same_bars_as_yahoo_exports_them(
    forecaster: Forecaster, mixed: Path
) -> None:
    args = ("--as-of", SESSION, "--json", "--store")
    of_mixed = forecaster("run", "--bars", mixed, *args, "a").document
    of_plain = forecaster("run", "--bars", "plain", *args, "b").document
    rows = [[row["upper_95"] for row in of["forecasts"]] for of in (of_mixed, of_plain)]
    assert rows[0] == rows[1]
    assert not [note for note in of_plain["notes"] if "read as" in note]
    assert forecaster("verify", "--store", "b").code == 0


def test_a_part_notes_the_files_that_it_was_made_from(forecaster: Forecaster, mixed: Path) -> None:
    text = (mixed / "QQQ.csv").read_text()
    (mixed / "QQQ.csv").write_text(text.replace("$", "%", 1))
    lines = (mixed / "DIA.csv").read_text().splitlines()
    (mixed / "DIA.csv").write_text("\n".join(lines[:5] + lines[6:]))  # a session is missing
    assert forecaster("run", "--bars", mixed, "--as-of", SESSION).code == 1
    assert [note["tickers"] for note in notes()] == [["SPY"], ["DIA"], ["^VIX"]]
    (mixed / "QQQ.csv").write_text(text)
    assert forecaster("run", "--bars", mixed, "--as-of", SESSION).code == 1
    assert [note["tickers"] for note in notes(part=1)] == [["QQQ"], ["^VIX"]]
    assert forecaster("verify", "--deep").code == 0
