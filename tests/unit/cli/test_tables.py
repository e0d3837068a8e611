"""Tables in terminals of any width: nothing is cut, and what is left out is named."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import numpy as np
import pytest

from pipeline.cli import console
from pipeline.cli.forecast_text import print_outcome, print_published, print_surprises
from pipeline.cli.plain import count, name_few
from pipeline.cli.reasons import Withheld
from pipeline.jobs.daily_summary import Outcome, Summary
from pipeline.views.realised import RealisedClose
from pipeline.views.session import SessionForecasts
from tests.support.pages import manifest

ANSI = re.compile(r"\x1b\[[0-9;]*m")
NUMBERS = ("First number", "Second number", "Third number")
SPARE = ("Second number", "First number")
SESSION = date(2024, 12, 27)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Print in a terminal of so many columns, and return the lines."""

    def show(columns: int, print_it: Any, *args: Any) -> list[str]:
        monkeypatch.setenv("TTY_COMPATIBLE", "1")
        monkeypatch.setenv("COLUMNS", str(columns))
        print_it(*args)
        return [line.rstrip() for line in ANSI.sub("", capsys.readouterr().out).splitlines()]

    return show


def numbers_table() -> Any:
    table = console.new_table("Name", numbers=NUMBERS, spare=SPARE)
    for n in range(3):
        table.add_row(f"row {n}", f"{n}1.23456789", f"{n}2.23456789", f"{n}3.23456789")
    return table


@pytest.mark.parametrize("columns", range(12, 100))
def test_no_line_is_too_wide_and_no_number_is_cut(terminal: Any, columns: int) -> None:
    lines = terminal(columns, console.print_whole, numbers_table())
    text = "\n".join(lines)
    assert max(map(len, lines)) <= columns or columns < 15
    assert "…" not in text
    assert "..." not in text
    left_out = " ".join(lines).partition("Left out, for the terminal is narrow: ")[2]
    for at, name in enumerate(NUMBERS, start=1):
        assert all((f"{n}{at}.23456789" in text) is (name not in left_out) for n in range(3))


def test_columns_go_in_the_order_of_their_importance(terminal: Any) -> None:
    def shown(columns: int) -> list[str]:
        text = "\n".join(terminal(columns, console.print_whole, numbers_table()))
        return [name for at, name in enumerate(NUMBERS, start=1) if f"1{at}.23" in text]

    assert shown(80) == list(NUMBERS)
    assert shown(45) == ["First number", "Third number"]
    assert shown(28) == ["Third number"]


def test_where_no_column_can_be_spared_each_row_is_a_card(terminal: Any) -> None:
    lines = terminal(20, console.print_whole, numbers_table())
    at = lines.index("row 1")
    assert lines[at + 1 : at + 3] == ["  Third number", "    13.23456789"]


def test_a_pipe_has_every_column_however_narrow(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    console.print_whole(numbers_table())
    out = capsys.readouterr().out
    assert all(name in out for name in NUMBERS)
    assert "Left out" not in out


def test_words_wrap_between_words_and_a_path_stays_whole(terminal: Any) -> None:
    path = "Parquet   /a/very/long/path/" + "x" * 60
    lines = terminal(40, console.print_lines, "one two three " * 5, path)
    assert max(len(line) for line in lines if "/" not in line) <= 40
    assert f"/a/very/long/path/{'x' * 60}" in lines


def test_a_line_is_one_line_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    console.print_line("word " * 100)
    assert capsys.readouterr().out.count("\n") == 1


def test_reasons_wrap_their_words_and_cut_no_ticker(terminal: Any) -> None:
    why = Withheld("missing_session", "expected a bar of 2025-01-02, none came, " * 3)
    for columns in (30, 40, 60, 80):
        lines = terminal(columns, console.print_withheld, {"LONGTICKER123456": why})
        assert max(map(len, lines)) <= columns
        assert "LONGTICKER123456" in "\n".join(lines)


# thousands of rows


def test_a_table_of_thousands_is_a_few_rows_and_how_many_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for rows, lines in ((2000, 2000), (2001, 20)):
        table = console.new_table("Name", numbers=("Number",))
        for n in range(rows):
            table.add_row(f"row{n}", str(n))
        console.print_whole(table)
        out = capsys.readouterr().out
        assert out.count("row") - out.count("rows") == lines
        assert ("20 of 2,001 rows; --json has them all" in out) is (rows > 2000)


def forecasts(n: int, horizons: int = 5) -> SessionForecasts:
    """Return a session of n tickers; the interval of T7 is the widest, that of T5 the next."""
    tickers = np.repeat(np.array([f"T{i}" for i in range(n)], object), horizons)
    width = np.where(tickers == "T7", 9.0, np.where(tickers == "T5", 5.0, 1.0))
    size = n * horizons
    prices = {
        f"{side}_{c}": 100.0 + sign * width
        for c in (50, 80, 95)
        for side, sign in (("lower", -1), ("upper", 1))
    }
    columns = {
        "ticker": tickers,
        "origin_date": np.full(size, SESSION, "datetime64[D]"),
        "target_date": np.tile(np.datetime64(SESSION) + 1 + np.arange(horizons), n),
        "horizon": np.tile(np.arange(1, horizons + 1), n),
        "last_close": np.full(size, 100.0),
        "prediction": np.full(size, 100.0),
        **prices,
    }
    return SessionForecasts(SESSION, (manifest(),), (("f", "m"),), columns)


def test_forecasts_of_four_hundred_tickers_are_listed_and_of_more_summed_up(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_published(forecasts(400), "./store")
    assert sum(line.split()[:1] == ["T399"] for line in capsys.readouterr().out.splitlines()) == 5
    print_published(forecasts(401), "./store")
    out = capsys.readouterr().out
    assert len(out.splitlines()) < 45
    assert "2,005 forecasts of 401 tickers, targets 2024-12-28 to 2025-01-01" in out
    names = re.findall(r"^ (T\d+) ", out, re.MULTILINE)
    assert names[:2] == ["T7", "T5"]
    assert "forecaster show T0 --store ./store" in out
    assert "forecaster export --out forecasts.csv" in out


def test_a_run_names_twenty_of_thousands(capsys: pytest.CaptureFixture[str]) -> None:
    tickers = [f"T{n}" for n in range(5000)]
    closes = [
        RealisedClose(ticker, SESSION, 9.0, 1.0, 2.0, inside_95=False, surprise=True)
        for ticker in tickers
    ]
    summary = Summary(
        Outcome.INCOMPLETE,
        SESSION,
        published=tuple(tickers),
        withheld=dict.fromkeys(tickers, "stale"),
        manifests=(manifest(),),
        realised=tuple(closes),
    )
    print_outcome(summary)
    print_surprises(summary)
    out = capsys.readouterr().out
    assert len(out) < 5000
    assert out.count("and 4,980 more") == 3
    with pytest.raises(Exception, match="T19 .stale. and 4980 more"):
        summary.require_complete()


def test_reasons_of_thousands_are_grouped_with_an_example(
    capsys: pytest.CaptureFixture[str],
) -> None:
    alike = {f"T{n}": Withheld("stale", f"T{n}: the newest bar is old") for n in range(3000)}
    console.print_withheld(alike)
    out = capsys.readouterr().out
    assert len(out.splitlines()) < 30
    assert "and 2,980 more" in out
    each = {f"T{n}": Withheld("stale", f"T{n}: ends {n} sessions before") for n in range(3000)}
    console.print_withheld(each)
    out = capsys.readouterr().out
    assert len(out.splitlines()) < 30
    assert "T0: ends 0 sessions before" in out


def test_a_number_agrees_with_its_noun() -> None:
    assert [count(n, "session") for n in (0, 1, 2, 5000)] == [
        "0 sessions",
        "1 session",
        "2 sessions",
        "5,000 sessions",
    ]


def test_of_many_names_the_first_are_said() -> None:
    assert name_few(["a", "b"], 2) == "a, b"
    assert name_few(["a", "b", "c"], 2) == "a, b and 1 more"
    assert name_few([]) == ""
