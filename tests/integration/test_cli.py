"""The command line: what a run prints, where it writes and how it exits."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from pipeline.adapters.bar_folder.folder_bars import FolderBars
from pipeline.adapters.parquet.parquet_tables import ParquetTables
from pipeline.cli import console, options
from pipeline.cli.reasons import MEANINGS, Withheld
from tests.support.commands import (
    ALL_TIME,
    BEFORE,
    ROOT,
    SESSION,
    TICKERS,
    Answer,
    Clock,
    Forecaster,
    assert_refused,
    break_line,
    digests,
    forecast_lines,
    spawn,
)


@pytest.mark.parametrize("command", ["run", "show", "fetch", "train", "backtest", "serve"])
def test_the_help_of_every_command_has_an_example(forecaster: Forecaster, command: str) -> None:
    answer = forecaster(command, "--help")
    assert answer.code == 0
    assert f"Example: forecaster {command}" in answer.out
    assert answer.err == ""


def test_without_a_command_the_help_is_shown(forecaster: Forecaster) -> None:
    answer = forecaster()
    assert answer.code == 2
    assert all(command in answer.out for command in ("run", "show", "fetch", "train", "backtest"))
    assert answer.err == ""


def test_the_version_is_shown(forecaster: Forecaster) -> None:
    assert forecaster("--version") == Answer(0, "0.1.0\n", "")


def test_the_help_loads_no_library_that_reads_or_trains() -> None:
    code = (
        "import sys\nfrom pipeline.cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print('loaded', *{'pandas', 'pyarrow', 'yfinance', 'torch', 'onnx'} & set(sys.modules))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert ran.stdout.splitlines()[-1] == "loaded"


# run


def test_a_run_on_real_bars_publishes_twenty_forecasts_once(
    forecaster: Forecaster, real_bars: Path
) -> None:
    args = ("run", "--bars", real_bars, "--as-of", "2024-12-27", "--store", "store", "--json")
    first = forecaster(*args)
    assert (first.code, first.err) == (0, "")
    rows = first.document["forecasts"]
    assert [(row["ticker"], row["horizon"]) for row in rows] == [
        (ticker, horizon) for ticker in TICKERS for horizon in (1, 2, 3, 4, 5)
    ]
    assert {row["origin_date"] for row in rows} == {"2024-12-27"}
    assert [row["target_date"] for row in rows[:5]] == [
        *("2024-12-30", "2024-12-31", "2025-01-02", "2025-01-03", "2025-01-06")
    ]
    assert rows[0]["last_close"] == pytest.approx(595.01, abs=0.01)
    assert first.document["outcome"] == "published"
    before = digests(Path("store"))
    second = forecaster(*args)
    assert second.document == first.document | {
        "outcome": "nothing_to_do",
        "data_lag_sessions": None,
    }
    assert digests(Path("store")) == before


def test_what_is_printed_is_what_lies_in_the_store_and_fits_100_columns(tmp_path: Path) -> None:
    store = tmp_path / "store"
    args = ("run", "--bars", "simulated", "--as-of", SESSION, "--store", str(store))
    ran = spawn(*args)
    assert (ran.returncode, ran.stderr) == (0, "")
    parquet = store / f"forecasts/month=2025-06/{SESSION}.00.parquet"
    columns, _ = ParquetTables().decode("forecasts", parquet.read_bytes())
    printed = forecast_lines(ran.stdout)
    assert len(printed) == len(columns["ticker"]) == 20
    for i, line in enumerate(printed):
        price = {name: f"{columns[name][i]:.2f}" for name in ("last_close", "prediction")}
        limits = {name: f"{columns[name][i]:.2f}" for name in columns if name[-2:] in ("95", "80")}
        assert line.split() == [
            columns["ticker"][i],
            str(columns["target_date"][i]),
            str(columns["horizon"][i]),
            *price.values(),
            *(limits["lower_95"], "to", limits["upper_95"]),
            *(limits["lower_80"], "to", limits["upper_80"]),
        ]
        assert len(line) <= 100
    assert f"Parquet   {parquet}\n" in ran.stdout
    assert f"Manifest  {store}/runs/{SESSION}.00.json\n" in ran.stdout


def test_a_narrow_terminal_cuts_no_number(tmp_path: Path) -> None:
    args = ("run", "--bars", "simulated", "--as-of", SESSION, "--store", str(tmp_path / "store"))
    assert spawn(*args, columns=40).stdout == spawn(
        *args[:-1], str(tmp_path / "store")
    ).stdout.replace("Published before; there was nothing to do.", "Published just now.")


def test_large_prices_are_not_cut(forecaster: Forecaster, bars: Path) -> None:
    raw = FolderBars(bars).read(["SPY"], *ALL_TIME).bars["SPY"]
    lines = [
        f"{day},{','.join(f'{1000 * price:.3f}' for price in prices)}"
        for day, *prices in zip(raw.session, raw.open, raw.high, raw.low, raw.close, strict=True)
    ]
    (bars / "SPY.csv").write_text("\n".join(["Date,Open,High,Low,Close", *lines]))
    args = ("run", "--bars", bars, "--as-of", SESSION, "--tickers", "SPY")
    answer = forecaster(*args)
    rows = forecaster(*args, "--json").document["forecasts"]
    for row in rows:
        assert f"{row['lower_80']:,.2f} to {row['upper_80']:,.2f}" in answer.out
    assert "…" not in answer.out


def test_invented_prices_are_marked_as_such(forecaster: Forecaster) -> None:
    args = ("--store", "store")
    ran = forecaster("run", "--bars", "simulated", "--as-of", SESSION, *args)
    assert ran.out.startswith("SIMULATED, NOT REAL")
    shown = forecaster("show", *args)
    assert shown.out.startswith("SIMULATED, NOT REAL")
    assert "Old: 5 or more sessions are over since." in shown.out
    assert forecaster("show", *args, "--json").document["stale"]
    assert "not real prices" in forecaster("show", *args, "--json").document["source"]


def test_a_model_that_has_seen_what_it_forecasts_is_noted(forecaster: Forecaster) -> None:
    args = ("run", "--bars", "simulated", "--as-of")
    early, late = (forecaster(*args, day, "--store", day) for day in ("2024-12-27", SESSION))
    note = (
        "trained on data up to 2024-12-31, after this origin: shows the mechanics, proves nothing"
    )
    assert early.out.count(note) == 1
    assert "trained on" not in late.out
    assert forecaster("show", "--store", "2024-12-27", "--json").document["notes"] == [note]


def test_a_run_without_a_date_is_for_now(forecaster: Forecaster, noon: None) -> None:
    live = forecaster("run", "--bars", "simulated", "--json").document
    assert live["session"] == BEFORE
    assert live["parts"][0]["mode"] == "live"
    assert live["parts"][0]["issued_at"] == "2025-06-30T16:00:00Z"


def test_a_run_as_of_a_day_is_for_its_end_in_new_york_and_issued_now(
    forecaster: Forecaster, clock: Clock
) -> None:
    clock(datetime(2025, 8, 1, 12, tzinfo=options.NEW_YORK))
    args = ("run", "--bars", "simulated", "--json", "--as-of")
    sunday = forecaster(*args, "2025-06-29").document
    assert sunday["session"] == BEFORE
    assert sunday["parts"][0]["mode"] == "as_of"
    assert sunday["parts"][0]["issued_at"] == "2025-08-01T16:00:00Z"


def test_as_of_today_never_takes_an_open_session_for_closed(
    forecaster: Forecaster, noon: None
) -> None:
    args = ("run", "--bars", "simulated", "--json", "--as-of", SESSION)
    assert forecaster(*args).document["session"] == BEFORE


def test_json_is_one_document_with_every_column(forecaster: Forecaster, clock: Clock) -> None:
    clock(datetime(2025, 8, 1, 12, tzinfo=options.NEW_YORK))
    answer = forecaster("run", "--bars", "simulated", "--as-of", SESSION, "--json")
    assert (answer.code, answer.err) == (0, "")
    document = answer.document
    assert document["withheld"] == {}
    assert document["data_lag_sessions"] == 0
    assert (
        document["parts"][0]["forecasts"] == f"store/forecasts/month=2025-06/{SESSION}.00.parquet"
    )
    assert len(document["forecasts"]) == 20
    assert list(document["forecasts"][0])[:4] == ["ticker", "origin_date", "target_date", "horizon"]
    assert document["forecasts"][0]["issued_at"] == "2025-08-01T16:00:00Z"


# tickers that cannot be forecast


def test_a_broken_line_withholds_its_ticker_and_publishes_the_others(
    forecaster: Forecaster, bars: Path
) -> None:
    break_line(bars / "QQQ.csv", 200, "2025-01-08,1,2,three,4,5,0,0")
    answer = forecaster("run", "--bars", bars, "--as-of", SESSION, "--json")
    assert answer.code == 1
    document = answer.document
    assert {row["ticker"] for row in document["forecasts"]} == {"SPY", "DIA", "IWM"}
    assert document["withheld"]["QQQ"] == {
        "reason": "unreadable",
        "message": "QQQ.csv: line 200, Low: expected a number, got 'three'",
    }
    assert answer.err.endswith("withheld QQQ (unreadable)\n")


def test_withheld_tickers_are_printed_with_reason_and_meaning(
    forecaster: Forecaster, bars: Path
) -> None:
    assert forecaster("run", "--bars", bars, "--as-of", BEFORE, "--tickers", "QQQ").code == 0
    break_line(bars / "DIA.csv", 321, f"{SESSION},440,441,439,-5,100,0,0")
    (bars / "QQQ.csv").unlink()
    answer = forecaster("run", "--bars", bars, "--as-of", SESSION, "--tickers", "SPY,DIA,QQQ")
    assert answer.code == 1
    assert "Published just now: SPY. Withheld: DIA, QQQ, the reasons are" in answer.out
    table = " ".join(answer.out.partition("Withheld ")[2].split())
    assert f"DIA non_positive_price on {SESSION} a price is not positive: open 440" in table
    assert "QQQ unknown_ticker expected one of QQQ.csv" in table
    shown = forecaster("show")
    assert shown.code == 0
    assert f"DIA non_positive_price {MEANINGS['non_positive_price']}" in " ".join(shown.out.split())


def test_what_withholds_several_tickers_is_said_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    down = {t: Withheld("source_unavailable", f"{t}: expected bars, got none") for t in TICKERS}
    stale = Withheld("stale", "NOPE: expected a bar of 2025-06-30")
    console.print_withheld(down | {"NOPE": stale})
    words = capsys.readouterr().out.split()
    assert words[-1:] == ["2025-06-30"]
    assert words.count("source_unavailable") == 1
    assert [word for word in words if word in TICKERS] == list(TICKERS)


def test_a_mended_ticker_is_published_by_the_next_run(forecaster: Forecaster, bars: Path) -> None:
    args = ("run", "--bars", bars, "--as-of", SESSION)
    (bars / "IWM.csv").rename("away.csv")
    (bars / "IWM.csv").write_text("half a fi")
    assert forecaster(*args).code == 1
    still = forecaster(*args)
    assert still.code == 1
    assert "Published just now: nothing. Withheld: IWM" in still.out
    Path("away.csv").rename(bars / "IWM.csv")
    mended = forecaster(*args)
    assert (mended.code, mended.err) == (0, "")
    assert f"runs/{SESSION}.00.json" in mended.out
    assert f"runs/{SESSION}.01.json" in mended.out
    assert len(forecast_lines(mended.out)) == 20
    assert "Withheld" not in forecaster("show").out


def test_a_run_in_which_every_ticker_is_withheld_fails(forecaster: Forecaster, bars: Path) -> None:
    (bars / "ABC.csv").write_text("half a fi")
    args = ("run", "--bars", bars, "--as-of", SESSION, "--tickers", "ABC")
    answer = forecaster(*args)
    assert answer.code == 1
    assert "Nothing was published, and nothing recorded." in answer.out
    assert not Path("store").exists()
    assert forecaster("run", "--bars", bars, "--as-of", BEFORE, "--tickers", "SPY").code == 0
    before = digests(Path("store"))
    answer = forecaster(*args)
    assert answer.code == 1
    assert "Nothing was published, and nothing recorded." in answer.out
    assert forecaster(*args, "--json").document["forecasts"] == []
    assert digests(Path("store")) == before


def test_where_all_bars_end_early_it_says_for_which_date_to_run(
    forecaster: Forecaster, bars: Path
) -> None:
    # The session after, the one after that, and one that is more than a history later.
    for day in ("2025-07-01", "2025-07-02", "2026-11-20"):
        answer = forecaster("run", "--bars", bars, "--as-of", day)
        assert f"The bars end on {SESSION}: --as-of {SESSION}" in answer.out
    backfill = ("backfill", "--bars", bars, "--from", "2025-07-02", "--to", "2026-11-20")
    assert_refused(
        forecaster(*backfill),
        1,
        f"expected bars from 2025-07-02 on, got bars that end on {SESSION}",
    )
    assert not Path("store").exists()
    assert forecaster("run", "--bars", bars, "--as-of", SESSION).code == 0


def test_a_closure_that_the_calendar_does_not_know_publishes_nothing(
    forecaster: Forecaster, bars: Path
) -> None:
    for path in bars.glob("*.csv"):
        path.write_text("\n".join(path.read_text().splitlines()[:-1]))
    answer = forecaster("run", "--bars", bars, "--as-of", SESSION)
    assert (answer.code, answer.err) == (0, "")
    assert f"No ticker has a bar of {SESSION} yet" in answer.out
    assert not Path("store").exists()
    document = forecaster("run", "--bars", bars, "--as-of", SESSION, "--json").document
    assert (document["outcome"], document["forecasts"]) == ("closed_unconfirmed", [])
