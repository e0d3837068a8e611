"""What prices are in: from the source through vintage and manifest to all that shows them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.adapters.bar_folder.folder_bars import FolderBars
from pipeline.adapters.parquet.parquet_tables import ParquetTables
from pipeline.record.vintage import Vintage
from tests.support.commands import ALL_TIME, SESSION, TICKERS, Forecaster, forecast_lines

RUN = ("run", "--bars", "bars", "--as-of", SESSION)


def add_currency(bars: Path, ticker: str, currency: str) -> None:
    path = bars / f"{ticker}.csv"
    header, *rows = path.read_text().splitlines()
    lines = [f"{header},Currency", *(f"{row},{currency}" for row in rows)]
    path.write_text("\n".join(lines))


def read(name: str) -> Any:
    return json.loads(Path("store", name).read_text())


def test_a_folder_that_says_it_is_believed_and_others_are_unknown(
    forecaster: Forecaster, bars: Path
) -> None:
    add_currency(bars, "SPY", "GBp")
    add_currency(bars, "QQQ", "no code at all")
    assert FolderBars(bars).read(TICKERS, *ALL_TIME).currencies["SPY"] == "GBp"
    shown = forecaster(*RUN)
    assert shown.code == 0
    vintage = next(Path("store/bars").rglob("*.parquet")).read_bytes()
    info = Vintage.decode(ParquetTables(), vintage).info
    assert info.currencies == read(f"runs/{SESSION}.00.json")["currencies"] == {"SPY": "GBp"}
    latest = read("latest.json")["tickers"]
    assert {ticker: each.get("currency") for ticker, each in latest.items()} == {
        **dict.fromkeys(TICKERS),
        "SPY": "GBp",
    }
    for answer in (shown, forecaster("show")):
        lines = {line.split()[0]: line for line in forecast_lines(answer.out)}
        assert " GBp " in lines["SPY"]
        assert "GBp" not in lines["QQQ"] + lines["DIA"]
    page = Path("store/index.html").read_text()
    assert '"currency":"GBp"' in page.replace(" ", "")
    close = latest["SPY"]["last_close"]
    assert f"{close:,.1f} GBp" in page or f"{close:,.2f} GBp" in page
    assert forecaster("verify").code == 0
    assert forecaster("replay", SESSION).code == 0


def test_a_run_whose_source_says_nothing_stores_nothing_of_it(
    forecaster: Forecaster, bars: Path
) -> None:
    assert forecaster(*RUN).code == 0
    assert bars
    assert "currencies" not in read(f"runs/{SESSION}.00.json")
    vintage = next(Path("store/bars").rglob("*.parquet")).read_bytes()
    assert b"currenc" not in vintage
    assert b"second" not in vintage


def test_a_backfill_keeps_it_too(forecaster: Forecaster, bars: Path) -> None:
    add_currency(bars, "SPY", "EUR")
    done = forecaster("backfill", "--bars", "bars", "--from", "2025-06-27", "--to", SESSION)
    assert done.code == 0
    assert read(f"runs/{SESSION}.00.json")["currencies"] == {"SPY": "EUR"}


@pytest.mark.parametrize("currency", ["<b>", "US$", "X" * 6, "12"])
def test_what_can_be_no_code_is_unknown(forecaster: Forecaster, bars: Path, currency: str) -> None:
    add_currency(bars, "SPY", currency)
    assert forecaster(*RUN).code == 0
    assert "currencies" not in read(f"runs/{SESSION}.00.json")


def test_a_folder_that_was_fetched_says_what_its_source_said(
    forecaster: Forecaster, bars: Path
) -> None:
    add_currency(bars, "SPY", "GBp")
    span = ("--from", "2025-06-02", "--to", SESSION)
    assert forecaster("fetch", "--bars", "bars", "--out", "copy", *span).code == 0
    reading = FolderBars(Path("copy")).read(TICKERS, *ALL_TIME)
    assert reading.currencies == {"SPY": "GBp"}
    assert not reading.dialects


@pytest.mark.parametrize("written", ["csv", "parquet"])
def test_clean_files_say_it_too(forecaster: Forecaster, bars: Path, written: str) -> None:
    add_currency(bars, "SPY", "GBp")
    check = ("check", "--bars", "bars", "--as-of", SESSION, "--out", "clean", "--format", written)
    forecaster(*check)
    reading = FolderBars(Path("clean")).read(TICKERS, *ALL_TIME)
    assert reading.currencies == {"SPY": "GBp"}
    assert not reading.failures
