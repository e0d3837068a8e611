"""The command line: what it prints, where it writes and how it exits."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from pipeline import cli, cli_backtest, console, options
from pipeline.adapters.files import FolderBars
from pipeline.adapters.parquet import ParquetTables
from pipeline.bars import COLUMNS
from pipeline.bundle import load_bundle
from pipeline.console import OUTCOMES
from pipeline.errors import Reason
from pipeline.fetch import to_csv
from pipeline.reasons import MEANINGS, Withheld
from pipeline.summary import Outcome
from tests.builders import raw_bars

ROOT = Path(cli.__file__).parents[1]
TICKERS = ("SPY", "QQQ", "DIA", "IWM")
SESSION, BEFORE = "2025-06-30", "2025-06-27"
ALL_TIME = (date(1990, 1, 1), date(2049, 12, 31))


class Answer(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


Forecaster = Callable[..., Answer]


@pytest.fixture
def forecaster(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Forecaster:
    """Run `forecaster ARGS` in an empty folder of its own."""
    monkeypatch.chdir(tmp_path)

    def call(*args: str | Path) -> Answer:
        with pytest.raises(SystemExit) as exited:
            cli.main([str(arg) for arg in args])
        out, err = capsys.readouterr()
        assert isinstance(exited.value.code, int)
        return Answer(exited.value.code, out, err)

    return call


@pytest.fixture
def bars(forecaster: Forecaster) -> Path:
    """Folder of the simulated bars of 320 sessions up to SESSION."""
    assert forecaster("fetch", "--bars", "simulated", "--out", "bars", "--to", SESSION).code == 0
    return Path("bars")


@pytest.fixture
def noon(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is noon of SESSION in New York: the exchange is open."""

    class Noon(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return datetime(2025, 6, 30, 12, tzinfo=tz)

    monkeypatch.setattr(options, "datetime", Noon)


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path): sha256(path.read_bytes()).hexdigest() for path in files}


def break_line(path: Path, line: int, text: str) -> None:
    lines = path.read_text().splitlines()
    lines[line - 1] = text
    path.write_text("\n".join(lines) + "\n")


def forecast_lines(out: str) -> list[str]:
    return [line for line in out.splitlines() if line.strip().startswith(TICKERS)]


def assert_refused(answer: Answer, code: int, *words: str) -> None:
    assert answer.code == code
    assert answer.out == ""
    assert answer.err.startswith("error: ")
    assert answer.err.count("\n") == 1
    for word in words:
        assert word in answer.err


def spawn(*args: str, columns: int = 100) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from pipeline.cli import main; main()", *args]
    env = os.environ | {"COLUMNS": str(columns), "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, capture_output=True, text=True, env=env, timeout=120, check=False
    )


# help


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
        "import sys\nfrom pipeline.cli import main\n"
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
        assert f"{row['lower_80']:.2f} to {row['upper_80']:.2f}" in answer.out
    assert "…" not in answer.out


def test_invented_prices_are_marked_as_such(forecaster: Forecaster) -> None:
    args = ("--store", "store")
    ran = forecaster("run", "--bars", "simulated", "--as-of", SESSION, *args)
    assert ran.out.startswith("SIMULATED, NOT REAL")
    assert forecaster("show", *args).out.startswith("SIMULATED, NOT REAL")
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


def test_a_run_as_of_a_day_is_for_its_end_in_new_york(forecaster: Forecaster) -> None:
    args = ("run", "--bars", "simulated", "--json", "--as-of")
    sunday = forecaster(*args, "2025-06-29").document
    assert sunday["session"] == BEFORE
    assert sunday["parts"][0]["mode"] == "as_of"
    assert sunday["parts"][0]["issued_at"] == "2025-06-30T03:59:59Z"


def test_as_of_today_never_takes_an_open_session_for_closed(
    forecaster: Forecaster, noon: None
) -> None:
    args = ("run", "--bars", "simulated", "--json", "--as-of", SESSION)
    assert forecaster(*args).document["session"] == BEFORE


def test_json_is_one_document_with_every_column(forecaster: Forecaster) -> None:
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
    assert document["forecasts"][0]["issued_at"] == "2025-07-01T03:59:59Z"


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
    break_line(bars / "DIA.csv", 321, f"{SESSION},440,441,439,-5,100,0,0")
    answer = forecaster("run", "--bars", bars, "--as-of", SESSION, "--tickers", "SPY,DIA,NOPE")
    assert answer.code == 1
    assert "Published just now: SPY. Withheld: DIA, NOPE, the reasons are" in answer.out
    table = " ".join(answer.out.partition("Withheld ")[2].split())
    assert f"DIA non_positive_price on {SESSION} a price is not positive: open 440" in table
    assert "NOPE unknown_ticker expected one of NOPE.csv" in table
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
    args = ("run", "--bars", bars, "--as-of", SESSION, "--tickers", "ABC,XYZ")
    answer = forecaster(*args)
    assert answer.code == 1
    assert "No forecasts." in answer.out
    assert "Published just now: nothing. Withheld: ABC, XYZ" in answer.out
    assert forecaster(*args, "--json").document["forecasts"] == []


def test_a_closure_that_the_calendar_does_not_know_publishes_nothing(
    forecaster: Forecaster, bars: Path
) -> None:
    for path in bars.iterdir():
        path.write_text("\n".join(path.read_text().splitlines()[:-1]))
    answer = forecaster("run", "--bars", bars, "--as-of", SESSION)
    assert (answer.code, answer.err) == (0, "")
    assert f"No ticker has a bar of {SESSION} yet" in answer.out
    assert not Path("store").exists()
    document = forecaster("run", "--bars", bars, "--as-of", SESSION, "--json").document
    assert (document["outcome"], document["forecasts"]) == ("closed_unconfirmed", [])


def test_every_reason_and_every_outcome_is_explained() -> None:
    assert set(MEANINGS) == set(Reason)
    assert set(OUTCOMES) == set(Outcome)


# wrong use and failures


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ("run --as-of yesterday", "expected a date like 2024-12-27, got 'yesterday'"),
        ("run --as-of 2024-02-30", "expected a date like 2024-12-27, got '2024-02-30'"),
        ("run --as-of 2025-07-01", "expected a date not after today, 2025-06-30, got 2025-07-01"),
        ("run --as-of 1985-06-03", "expected a day of XNYS from 1990-01-01"),
        ("run --tickers=", "expected tickers joined by commas like SPY,QQQ, got ''"),
        ("run --tickers=SPY,,QQQ", "got 'SPY,,QQQ'"),
        ("run --tickers=../SPY", "got '../SPY'"),
        ("run --bars nowhere", "expected yahoo, simulated or an existing folder, got 'nowhere'"),
        ("run --bars file", "expected yahoo, simulated or an existing folder, got 'file'"),
        ("run --bars simulated --store file", "got file 'file'"),
        ("run --bars simulated --store ftp://host", "got 'ftp://host'"),
        ("run --date 2024-12-27", "No such option: --date"),
        ("run now", "unexpected extra argument"),
        ("guess", "No such command 'guess'"),
        ("show --store file", "got file 'file'"),
        ("fetch --bars simulated", "Missing option '--out'"),
        ("fetch --bars simulated --out file", "--out: expected a folder to write to, got file"),
        ("fetch --bars simulated --out file/below", "--out: expected a folder to write to"),
        ("fetch --bars . --out ../{here}", "--out: expected another folder than --bars"),
        ("fetch --bars simulated --out o --to 2025-07-01", "--to: expected a date not after today"),
        (
            "fetch --bars simulated --out o --from 2025-06-30",
            "expected a date not after 2025-06-27",
        ),
        pytest.param(
            "train --bars simulated --out file",
            "--out: expected a folder to write to, got file",
            marks=pytest.mark.training,
        ),
        ("train --bars simulated --out o --until 2025-07-01", "--until: expected a date not after"),
        ("backtest --bars simulated --from soon", "expected a year like 2010 or a date like"),
        ("backtest --bars simulated --from 2024 --to 2023", "--from: expected a date not after"),
        ("backtest --bars simulated --workers 0", "greater than or equal to 1"),
        ("backtest --bars simulated --bundle b", "--bundle: expected --no-refit beside it"),
        ("backtest --bars simulated --out file", "--out: expected a folder to write to, got file"),
    ],
)
def test_wrong_use_exits_2_with_one_line(
    forecaster: Forecaster, noon: None, tmp_path: Path, args: str, words: str
) -> None:
    Path("file").touch()
    assert_refused(forecaster(*args.format(here=tmp_path.name).split()), 2, words)


def test_a_folder_that_cannot_be_listed_exits_2(
    forecaster: Forecaster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> Iterator[Path]:
        raise PermissionError(13, "Permission denied", str(path))

    Path("bars").mkdir()
    monkeypatch.setattr(Path, "iterdir", refuse)
    assert_refused(forecaster("run", "--bars", "bars"), 2, "folder of bars at bars", "Permission")


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("onnx_sha256", "0" * 64, f"expected sha256 of model.onnx {'0' * 64}, got"),
        ("feature_names", lambda names: names[:10], "expected 12 features, got 10: lacks"),
    ],
)
def test_a_bundle_that_does_not_fit_exits_1(
    forecaster: Forecaster, field: str, value: Any, words: str
) -> None:
    shutil.copytree(options.DEFAULT_BUNDLE, "bundle")
    manifest = json.loads(Path("bundle/manifest.json").read_text())
    manifest[field] = value(manifest[field]) if callable(value) else value
    Path("bundle/manifest.json").write_text(json.dumps(manifest))
    assert_refused(forecaster("run", "--bars", "simulated", "--bundle", "bundle"), 1, words)
    assert not Path("store").exists()


def test_a_missing_bundle_exits_1(forecaster: Forecaster) -> None:
    answer = forecaster("run", "--bars", "simulated", "--bundle", "nowhere")
    assert_refused(answer, 1, "expected a bundle", "nowhere")


def test_a_store_that_holds_what_no_run_wrote_exits_1(forecaster: Forecaster) -> None:
    args = ("--bars", "simulated", "--as-of", SESSION)
    assert forecaster("run", *args).code == 0
    Path(f"store/runs/{SESSION}.00.json").write_text("{}")
    assert_refused(forecaster("run", *args), 1, "expected a run manifest")
    assert_refused(forecaster("show"), 1, "expected a run manifest")


def test_an_interrupt_exits_130_quietly(
    forecaster: Forecaster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli.daily, "run", interrupt)
    assert forecaster("run", "--bars", "simulated") == Answer(130, "", "")


def test_a_mistake_of_our_own_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a mistake")

    monkeypatch.setattr(cli.daily, "run", fail)
    with pytest.raises(RuntimeError, match="a mistake"):
        cli.main(["run", "--bars", "simulated"])


# show


def test_show_prints_what_the_newest_run_printed(forecaster: Forecaster) -> None:
    args = ("run", "--bars", "simulated", "--as-of")
    assert forecaster(*args, BEFORE).code == 0
    newest = forecaster(*args, SESSION)
    shown = forecaster("show")
    said = newest.out.removesuffix("Published just now.\n")
    assert shown.out == f"{said}Page      store/index.html\n"
    assert SESSION in Path("store/index.html").read_text()
    document = forecaster("show", "--json").document
    assert document["session"] == SESSION
    assert len(document["forecasts"]) == 20


def test_a_session_behind_the_newest_is_refused_by_name(forecaster: Forecaster) -> None:
    args = ("run", "--bars", "simulated", "--as-of")
    assert forecaster(*args, SESSION).code == 0
    assert_refused(forecaster(*args, BEFORE), 1, f"{BEFORE}: expected no later session")


@pytest.mark.parametrize("store", ["nowhere", "empty"])
def test_show_says_that_nothing_is_published_yet(forecaster: Forecaster, store: str) -> None:
    Path("empty").mkdir()
    assert_refused(
        forecaster("show", "--store", store), 1, f"in {store}, found none", "forecaster run"
    )


# fetch


def test_fetched_bars_read_back_bit_for_bit(forecaster: Forecaster) -> None:
    hole, dividend, split = raw_bars("SPY").open, np.zeros(200), np.zeros(200)
    hole[7], dividend[10], split[20] = np.nan, 1.966, 1.5
    bars = raw_bars("SPY", open=hole, dividend=dividend, split=split)
    Path("bars").mkdir()
    Path("bars/SPY.csv").write_bytes(to_csv(bars))
    args = ("--out", "copy", "--tickers", "spy", "--from", "1990-01-02")
    assert forecaster("fetch", "--bars", "bars", *args).code == 0
    copy = FolderBars(Path("copy")).read(["SPY"], *ALL_TIME).bars["SPY"]
    np.testing.assert_array_equal(copy.session, bars.session)
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(copy, name), getattr(bars, name), err_msg=name)
    assert sorted(path.name for path in Path("copy").iterdir()) == ["SPY.csv", "origin.txt"]


def test_bars_are_written_as_yahoo_exports_them(bars: Path) -> None:
    lines = (bars / "SPY.csv").read_text().splitlines()
    assert lines[0] == "Date,Open,High,Low,Close,Volume,Dividends,Stock Splits"
    assert len(lines) == 1 + 320
    assert lines[-1].startswith(f"{SESSION},")


def test_a_run_on_fetched_bars_forecasts_as_on_their_source(
    forecaster: Forecaster, bars: Path
) -> None:
    args = ("--as-of", SESSION, "--json")
    made = forecaster("run", "--bars", "simulated", "--store", "a", *args).document["forecasts"]
    copy = forecaster("run", "--bars", bars, "--store", "b", *args).document["forecasts"]
    assert [row["upper_95"] for row in copy] == [row["upper_95"] for row in made]


def test_fetch_replaces_no_bars_unless_told_to(forecaster: Forecaster) -> None:
    Path("out").mkdir()
    Path("out/SPY.csv").write_text("years of real bars")
    args = ("fetch", "--bars", "simulated", "--out", "out", "--to", SESSION)
    assert_refused(forecaster(*args), 1, "expected a folder without SPY.csv", "--force")
    assert Path("out/SPY.csv").read_text() == "years of real bars"
    assert [path.name for path in Path("out").iterdir()] == ["SPY.csv"]
    assert forecaster(*args, "--force").code == 0


def test_simulated_bars_stay_simulated_in_a_folder(forecaster: Forecaster, bars: Path) -> None:
    answer = forecaster("run", "--bars", bars, "--as-of", SESSION)
    assert answer.out.startswith("SIMULATED, NOT REAL: folder bars, from simulated market")


def test_another_source_does_not_complete_a_session(forecaster: Forecaster, bars: Path) -> None:
    (bars / "IWM.csv").unlink()
    assert forecaster("run", "--bars", bars, "--as-of", SESSION).code == 1
    answer = forecaster("run", "--bars", "simulated", "--as-of", SESSION)
    assert_refused(answer, 1, "to go on with the record", "another source needs another store")


def test_forecasts_changed_after_publication_are_not_shown(forecaster: Forecaster) -> None:
    assert forecaster("run", "--bars", "simulated", "--as-of", SESSION).code == 0
    (path,) = Path("store/forecasts").rglob("*.parquet")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert_refused(forecaster("show"), 1, f"{path}: expected sha256", "changed after")


def test_a_damaged_latest_view_is_made_again(forecaster: Forecaster) -> None:
    args = ("run", "--bars", "simulated", "--as-of", SESSION)
    assert forecaster(*args).code == 0
    view = Path("store/latest.json").read_bytes()
    Path("store/latest.json").write_text("{")
    assert forecaster(*args).code == 0
    assert Path("store/latest.json").read_bytes() == view


def test_a_ticker_that_fails_leaves_the_others_written_and_its_old_file_alone(
    forecaster: Forecaster,
) -> None:
    Path("out").mkdir()
    Path("out/NOPE.csv").write_text("kept")
    args = ("--bars", "simulated", "--out", "out", "--tickers", "SPY,NOPE", "--to", SESSION)
    args = (*args, "--force")
    answer = forecaster("fetch", *args)
    assert answer.code == 1
    assert f"SPY     2024-03-20  {SESSION}   320" in answer.out
    assert "NOPE         unknown_ticker" in answer.out
    assert "got none of NOPE (unknown_ticker)" in answer.err
    assert sorted(p.name for p in Path("out").iterdir()) == ["NOPE.csv", "SPY.csv", "origin.txt"]
    assert Path("out/NOPE.csv").read_text() == "kept"
    document = forecaster("fetch", *args, "--json").document
    assert document["written"] == {"SPY": {"bars": 320, "first": "2024-03-20", "last": SESSION}}
    assert document["failed"]["NOPE"]["reason"] == "unknown_ticker"


def test_a_ticker_without_bars_in_the_span_is_named(forecaster: Forecaster, bars: Path) -> None:
    answer = forecaster("fetch", "--bars", bars, "--out", "o", "--to", "2020-06-30", "--json")
    assert answer.code == 1
    assert answer.document["failed"]["SPY"]["reason"] == "no_bars"
    assert list(Path("o").iterdir()) == []


# train


@pytest.fixture
def history(forecaster: Forecaster, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder of one ETF's simulated bars of five years, and a net that learns in a moment."""
    monkeypatch.setattr(importlib.import_module("pipeline.training.lstm_fit"), "STEPS", 20)
    args = ("--from", "2020-01-02", "--to", "2025-01-31", "--tickers", "SPY")
    assert forecaster("fetch", "--bars", "simulated", "--out", "history", *args).code == 0
    return Path("history")


@pytest.mark.training
def test_a_trained_bundle_carries_its_proof_and_forecasts(
    forecaster: Forecaster, history: Path
) -> None:
    args = ("--bars", history, "--tickers", "SPY", "--prove-from", "2024-10-01")
    answer = forecaster("train", *args, "--until", "2024-12-31", "--out", "bundle")
    assert (answer.code, answer.err) == (0, "")
    manifest = load_bundle(Path("bundle")).manifest
    assert manifest.training.last_session == date(2024, 12, 31)
    assert f"Trained {manifest.model_version}, written to bundle" in answer.out
    assert "trained on what came before 2024-10-01" in answer.out
    for name in ("crps_ratio_vs_garch_t", "interval_score_95_ratio_vs_garch_t", "coverage_95"):
        assert manifest.scores[name] == manifest.scores[f"{name}_SPY"]
        assert answer.out.count(f" {manifest.scores[name]:.3f}") >= 2
    ran = forecaster("run", "--bars", "simulated", "--as-of", SESSION, "--bundle", "bundle")
    assert ran.code == 0
    assert_tracked(manifest.members)


def assert_tracked(members: Mapping[str, float]) -> None:
    """The run of the ensemble, and one of each member, are kept with all that belongs to them."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient("sqlite:///mlflow.db")
    experiment = client.get_experiment_by_name("forecaster")
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert set(runs) == {"ensemble", *members}
    for name, run in runs.items():
        assert run.info.status == "FINISHED"
        assert run.data.params["seed"] == "0"
        assert {"crps_ratio", "coverage_95", "year/crps_ratio"} <= set(run.data.metrics)
        years = client.get_metric_history(run.info.run_id, "year/crps_ratio")
        assert [year.step for year in years] == [2024]
        assert (run.data.tags["kind"] == "ensemble") == (name == "ensemble")
    ensemble = runs["ensemble"].info.run_id
    kept = {
        file.path for top in ("bundle", "plots") for file in client.list_artifacts(ensemble, top)
    }
    assert kept >= {"bundle/model.onnx", "bundle/manifest.json", "plots/pit.svg"}
    shares = {name: runs["ensemble"].data.metrics[f"share/{name}"] for name in members}
    assert shares == pytest.approx(members)


def test_a_worse_bundle_is_refused_with_both_leaderboards(
    forecaster: Forecaster, history: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.training import job, trainers

    quick = trainers.range_har_alone
    monkeypatch.setattr(job, "ensemble", lambda bars, vix, *_: quick(bars, vix))
    shutil.copytree(options.DEFAULT_BUNDLE, "bundle")
    manifest = Path("bundle/manifest.json")
    better = {"crps_ratio_vs_garch_t": 0.5, "coverage_95": 0.95, "crps_ratio_vs_garch_t_QQQ": 0.6}
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"scores": better}))
    before = digests(Path("bundle"))
    args = ("train", "--bars", history, "--tickers", "SPY", "--prove-from", "2024-10-01")
    args = (*args, "--out", "bundle")
    machine = forecaster(*args, "--json")
    assert machine.code == 1
    assert machine.document["current"] == better
    assert machine.document["refused"] in machine.err
    new = machine.document["new"]["crps_ratio_vs_garch_t"]
    refused = forecaster(*args)
    assert refused.code == 1
    assert refused.err.startswith("error: expected a bundle not worse than the current one, which")
    assert f"CRPS {new:.4f} against 0.5000 of GARCH(1,1)-t's" in refused.err
    [row] = [line.split() for line in refused.out.splitlines() if line.startswith(" CRPS ")]
    assert row == ["CRPS", "0.500", f"{new:.3f}", "0.600", f"{new:.3f}"]
    assert digests(Path("bundle")) == before


def test_prices_adjusted_in_part_stop_the_training(forecaster: Forecaster, history: Path) -> None:
    lines = (history / "SPY.csv").read_text().splitlines()
    rows = [line.split(",") for line in lines]
    for row in rows[1:700]:
        row[4] = str(0.97 * float(row[4]))
    (history / "SPY.csv").write_text("\n".join(",".join(row) for row in rows) + "\n")
    answer = forecaster("train", "--bars", history, "--tickers", "SPY", "--out", "bundle")
    assert_refused(answer, 1, "SPY: expected closes between low and high", "adjusted for dividends")
    assert list(Path("bundle").iterdir()) == []


@pytest.mark.training
def test_without_enough_bars_to_prove_the_bundle_says_so(
    forecaster: Forecaster, history: Path
) -> None:
    args = ("train", "--bars", history, "--tickers", "SPY", "--out", "bundle")
    answer = forecaster(*args)
    assert answer.code == 0
    assert "Note: no proof. SPY: expected at least 1000 bars before 2019-01-01" in answer.out
    assert load_bundle(Path("bundle")).manifest.scores == {}
    document = forecaster(*args, "--json").document
    assert document["scores"] == {}
    assert document["model_version"] == load_bundle(Path("bundle")).version


@pytest.mark.training
def test_too_few_bars_to_train_on_exit_1(forecaster: Forecaster, bars: Path) -> None:
    answer = forecaster("train", "--bars", bars, "--out", "bundle")
    assert_refused(answer, 1, "SPY: expected at least 1000 bars to train on, got 320")


@pytest.mark.training
def test_a_ticker_that_cannot_be_read_stops_the_training(
    forecaster: Forecaster, history: Path
) -> None:
    break_line(history / "SPY.csv", 5, "2020-01-07,1,2")
    answer = forecaster("train", "--bars", history, "--tickers", "SPY", "--out", "bundle")
    assert_refused(answer, 1, "SPY.csv: line 5: expected 8 fields, got 3")


@pytest.mark.training
def test_a_bundle_that_cannot_be_written_exits_1(forecaster: Forecaster, history: Path) -> None:
    Path("bundle/model.onnx").mkdir(parents=True)
    answer = forecaster("train", "--bars", history, "--tickers", "SPY", "--out", "bundle")
    assert_refused(answer, 1, "expected to replace bundle/model.onnx")


@pytest.mark.training
def test_without_the_training_libraries_one_line_says_how_to_install_them(
    forecaster: Forecaster, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("pipeline.training")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "onnx", None)
    answer = forecaster("train", "--bars", "simulated", "--out", "bundle")
    assert_refused(answer, 2, "pip install '.[training]'", "onnx")


# backtest


NO_REFIT = ("backtest", "--bars", "simulated", "--no-refit")


def test_a_bundle_is_scored_beside_baselines_that_need_no_fitting(forecaster: Forecaster) -> None:
    answer = forecaster(*NO_REFIT, "--from", "2024", "--to", "2025-06-30", "--json")
    assert (answer.code, answer.err) == (0, "")
    assert answer.document["scores"] == "out/backtest/scores.parquet"
    assert "not real prices" in answer.document["source"]
    scores, metadata = ParquetTables().decode(
        "scores", Path(answer.document["scores"]).read_bytes()
    )
    assert metadata == {"source": answer.document["source"]}
    assert str(scores["origin_date"].min()) == "2024-01-02"
    assert str(scores["origin_date"].max()) == "2025-06-30"
    models = list(dict.fromkeys(scores["model"].tolist()))
    assert models == ["forecaster", "persistence", "ewma", "garch_t"]
    board = json.loads(Path(answer.document["summary"]).read_text())
    assert board == answer.document["leaderboard"]
    forecasts, rows = board["rows"][0]["forecasts"], (scores["model"] == "forecaster")
    assert forecasts == (rows & (scores["horizon"] == 1)).sum()
    notes = " ".join(answer.document["notes"])
    assert "trained on data up to 2024-12-31: forecasts from before then prove nothing" in notes
    assert "garch_t is not refitted either" in notes


def test_the_leaderboard_is_printed(forecaster: Forecaster) -> None:
    answer = forecaster(*NO_REFIT, "--from", "2025", "--to", "2025-06-30", "--out", "o")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith("SIMULATED, NOT REAL")
    assert "prove nothing" not in answer.out
    assert "GARCH(1,1)-t" in answer.out
    assert answer.out.endswith("Parquet   o/scores.parquet\nSummary   o/summary.json\n")


@pytest.mark.training
def test_without_the_vix_a_backtest_says_so(forecaster: Forecaster, history: Path) -> None:
    args = ("backtest", "--no-refit", "--tickers", "SPY", "--from", "2024", "--to", "2024")
    answer = forecaster(*args, "--bars", history, "--json")
    assert answer.code == 0
    assert answer.document["notes"][0].startswith("no VIX: ^VIX: expected one of")
    assert answer.document["leaderboard"]["vix_limits"] is None


def test_a_baseline_without_enough_history_is_left_out_and_named(
    forecaster: Forecaster, bars: Path
) -> None:
    args = ("backtest", "--no-refit", "--bars", bars, "--from", "2024-12-02", "--to", "2025")
    answer = forecaster(*args, "--json")
    assert answer.code == 0
    assert answer.document["leaderboard"]["models"] == ["forecaster", "garch_t"]
    assert "without ewma: SPY: expected at least 277 bars" in " ".join(answer.document["notes"])


def test_a_bundle_is_scored_without_the_training_libraries(tmp_path: Path) -> None:
    absent = ("torch", "sklearn", "onnx", "arch", "scipy", "statsforecast", "matplotlib")
    args = [*NO_REFIT, "--from", "2025", "--to", "2025-06-30", "--json"]
    code = (
        f"import sys\nsys.modules.update(dict.fromkeys({absent}))\n"
        f"from pipeline.cli import main\nmain({args})"
    )
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    ran = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=env,
        check=True,
    )
    assert json.loads(ran.stdout)["leaderboard"]["models"][0] == "forecaster"


@pytest.mark.training
def test_a_backtest_refits_every_year_beside_every_baseline(
    forecaster: Forecaster, history: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.training import trainers

    monkeypatch.setattr(trainers, "ensemble", trainers.range_har_alone)
    monkeypatch.setattr(cli_backtest, "DRAWN_FROM", date(2024, 10, 1))
    args = ("backtest", "--bars", history, "--tickers", "SPY", "--workers", "1", "--json")
    args = (*args, "--card", "docs")
    answer = forecaster(*args, "--from", "2024-11-15", "--to", "2025-01-31")
    assert (answer.code, answer.err) == (0, "")
    board = answer.document["leaderboard"]
    assert {"garch_t", "gjr_skew_t", "ewma", "auto_ets", "persistence"} < set(board["models"])
    assert board["left_out"] == 0
    for year, last in ((2024, date(2023, 12, 29)), (2025, date(2024, 12, 31))):
        bundle = load_bundle(Path(f"out/backtest/bundles/{year}"))
        assert bundle.manifest.training.last_session == last
    assert board["first_origin"] == "2024-11-15"
    scores, _ = ParquetTables().decode("scores", Path("out/backtest/scores.parquet").read_bytes())
    begins = {name: str(scores["origin_date"][scores["model"] == name].min()) for name in BEGINS}
    assert begins == BEGINS
    card = Path("docs/model-card.md").read_text()
    assert "The pictures begin with the origin of 2024-10-01, before the leaderboard does." in card
    again = forecaster(*args, "--from", "2024-11-15", "--to", "2025-01-31")
    assert again == answer


# The calibrator begins with the leaderboard, so that pictures change no number of it.
BEGINS = {
    "forecaster": "2024-10-01",
    "garch_t": "2024-10-01",
    "forecaster_calibrated": "2024-11-15",
}


def test_pictures_begin_early_only_where_every_ticker_has_bars_to_learn_from() -> None:
    from pipeline.training.train import learnable_before

    old, young = raw_bars("OLD", 1500), raw_bars("YOUNG", 1100)
    assert learnable_before([old], date(2023, 6, 1))
    assert not learnable_before([old, young], date(2023, 6, 1))
    assert learnable_before([old, young], date(2024, 12, 1))


@pytest.mark.training
def test_a_year_without_bars_is_refused(forecaster: Forecaster, history: Path) -> None:
    answer = forecaster("backtest", "--bars", history, "--tickers", "SPY", "--from", "2019")
    assert_refused(answer, 1, "SPY: expected bars from 2019-01-01 to 2019-12-31, got some from")


@pytest.mark.training
def test_a_backtest_that_trains_needs_the_training_libraries(
    forecaster: Forecaster, history: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("pipeline.training")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "arch", None)
    answer = forecaster("backtest", "--bars", history, "--tickers", "SPY")
    assert_refused(answer, 2, "pip install '.[training]'", "--no-refit")


# api-key


def test_a_new_key_is_printed_with_its_digest(forecaster: Forecaster) -> None:
    answer = forecaster("api-key", "new")
    words = answer.out.split()
    assert (answer.code, answer.err) == (0, "")
    assert words == ["Key", words[1], "SHA-256", sha256(words[1].encode()).hexdigest()]


def test_a_new_key_is_one_document_for_machines(forecaster: Forecaster) -> None:
    made, again = (forecaster("api-key", "new", "--json").document for _ in range(2))
    assert made["sha256"] == sha256(made["key"].encode()).hexdigest()
    assert made["key"] != again["key"]
