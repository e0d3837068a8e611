"""`forecaster export`: rows of the record in files that other programs read as they are."""

from __future__ import annotations

import csv
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from pipeline.cli import export_files
from pipeline.cli import main as cli
from tests.support.commands import Forecaster, assert_refused, spawn
from tests.support.mixed_store import fill_mixed_store

openpyxl = pytest.importorskip("openpyxl", reason="expected openpyxl: pip install -e '.[desk]'")
READERS = {
    ".csv": pd.read_csv,
    ".parquet": pd.read_parquet,
    ".xlsx": pd.read_excel,
}
TABLES = ("forecasts", "baselines", "scores")
SPAN = ("--from", "2025-01-02", "--to", "2025-01-10")
BACKFILL = ("--mode", "backfill")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill_mixed_store(tmp_path_factory.mktemp("mixed"))


@pytest.fixture
def export(forecaster: Forecaster, filled: Path) -> Any:
    """Run `forecaster export` on the mixed store."""
    return lambda *args: forecaster("export", *args, "--store", filled)


def read_store(filled: Path, table: str, mode: str = "backfill") -> pd.DataFrame:
    """Return the rows of the span as pandas reads them out of the store itself."""
    files = sorted((filled / table).rglob("*.parquet"))
    frame = comparable(pd.concat(pd.read_parquet(file) for file in files))
    day = frame["target_date" if table == "scores" else "origin_date"]
    frame = frame[day.between("2025-01-02", "2025-01-10") & (frame["mode"] == mode)]
    if table == "scores":
        frame = frame[~frame["in_sample"]]
    return frame.reset_index(drop=True)


def comparable(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame whose days and moments are pandas' own, moments without their zone."""
    frame = frame.rename(columns={"issued_at_utc": "issued_at"})
    for name in ("origin_date", "target_date", "issued_at"):
        if name in frame:
            frame[name] = pd.to_datetime(frame[name])
    if "issued_at" in frame and frame["issued_at"].dt.tz is not None:
        frame["issued_at"] = frame["issued_at"].dt.tz_localize(None)
    return frame


@pytest.mark.parametrize("suffix", READERS)
@pytest.mark.parametrize("table", TABLES)
def test_what_is_read_back_is_what_lies_in_the_store(
    export: Any, filled: Path, table: str, suffix: str
) -> None:
    out = f"rows{suffix}"
    said = export("--table", table, *SPAN, *BACKFILL, "--out", out)
    assert (said.code, said.err) == (0, "")
    read, expected = comparable(READERS[suffix](out)), read_store(filled, table)
    assert len(expected) > 100
    assert f"{len(expected):,} rows of {table}" in said.out
    pd.testing.assert_frame_equal(read, expected, check_dtype=False, check_exact=True)


def test_dates_are_dates_in_every_format(export: Any) -> None:
    for suffix in READERS:
        assert export(*SPAN, *BACKFILL, "--out", f"x{suffix}").code == 0
    sheet = openpyxl.load_workbook("x.xlsx")["forecasts"]
    names = [cell.value for cell in sheet[1]]
    first = dict(zip(names, sheet[2], strict=True))
    for name in ("origin_date", "target_date", "issued_at_utc"):
        assert first[name].is_date
        assert "yyyy" in first[name].number_format
    schema = pq.read_schema("x.parquet")
    assert str(schema.field("target_date").type) == "date32[day]"
    assert str(schema.field("issued_at").type) == "timestamp[ms, tz=UTC]"
    (row,) = list(csv.DictReader(Path("x.csv").read_text().splitlines()[:2]))
    assert row["target_date"] == "2025-01-03"
    assert pd.Timestamp(row["issued_at_utc"]) == pd.Timestamp(first["issued_at_utc"].value)


def test_a_workbook_has_a_frozen_head_and_says_what_it_holds(export: Any) -> None:
    assert export("SPY", *SPAN, *BACKFILL, "--out", "x.XLSX").code == 0
    book = openpyxl.load_workbook("x.XLSX")
    assert book.sheetnames == ["forecasts", "notes"]
    assert book["forecasts"].freeze_panes == "A2"
    assert book["forecasts"].auto_filter.ref == book["forecasts"].dimensions
    notes = {row[0].value: row[1].value for row in book["notes"].rows}
    assert notes["source"] == "simulated market (not real prices)"
    assert notes["sessions"] == "2025-01-02 to 2025-01-10"
    assert "UTC" in notes["time"]


def test_live_rows_alone_unless_others_are_asked_for(export: Any) -> None:
    assert export("--out", "live.csv").code == 0
    assert set(pd.read_csv("live.csv")["mode"]) == {"live"}
    assert export("--out", "all.csv", "--mode", "all").code == 0
    assert set(pd.read_csv("all.csv")["mode"]) == {"live", "backfill"}


def test_scores_that_the_model_had_learnt_are_left_out_and_it_is_said(export: Any) -> None:
    said = export("--table", "scores", "--mode", "all", "--out", "x.csv")
    more = export("--table", "scores", "--mode", "all", "--out", "y.csv", "--in-sample")
    honest, every = pd.read_csv("x.csv"), pd.read_csv("y.csv")
    learnt = int(every["in_sample"].sum())
    assert learnt > 50
    assert not honest["in_sample"].any()
    assert len(every) == len(honest) + learnt
    assert f"Left out: {learnt} scores in sample" in said.out
    assert "Left out" not in more.out
    assert f"In sample: for {learnt} of" not in said.out


def test_forecasts_of_a_model_that_had_learnt_their_day_are_said_to_be(export: Any) -> None:
    said = export("--to", "2024-12-30", *BACKFILL, "--out", "x.csv")
    assert said.code == 0, said.err
    n = len(pd.read_csv("x.csv"))
    assert f"for {n} of {n} rows the model had learnt" in said.out


def test_tickers_are_those_named_and_a_stranger_is_refused(export: Any) -> None:
    assert export("qqq", "DIA", "--out", "x.csv").code == 0
    assert set(pd.read_csv("x.csv")["ticker"]) == {"QQQ", "DIA"}
    assert_refused(export("SYP", "--out", "y.csv"), 1, "SYP: expected tickers of the record")
    assert not Path("y.csv").exists()


def test_without_rows_there_is_no_file_and_it_says_what_there_is(export: Any) -> None:
    said = export("--from", "2030-01-01", "--out", "x.csv")
    assert_refused(said, 1, "expected rows of forecasts in mode live", "backfill 2024-12-20 to")
    assert list(Path().iterdir()) == []


def test_a_file_that_is_there_stays_unless_forced(export: Any) -> None:
    Path("x.csv").write_text("mine")
    assert_refused(export("--out", "x.csv"), 2, "expected a new file", "--force")
    assert Path("x.csv").read_text() == "mine"
    assert export("--out", "x.csv", "--force").code == 0
    assert Path("x.csv").read_text().startswith("ticker,")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--out", "x.txt"), ".csv, .parquet, .xlsx or -, got 'x.txt'"),
        (("--out", "x"), ".csv, .parquet, .xlsx or -, got 'x'"),
        (("--out", "nowhere/x.csv"), "expected a folder that exists, got 'nowhere'"),
        (("--out", ".csv"), "--out: expected a file named"),
        (("--out", "x.csv", "--table", "bars"), "forecasts, baselines, scores, got 'bars'"),
        (("--out", "-", "--json"), "expected a file beside --json"),
        (("--out", "x.csv", "--from", "2025-02-01", "--to", "2025-01-01"), "--from"),
    ],
    ids=str,
)
def test_wrong_use_is_refused(export: Any, args: tuple[str, ...], said: str) -> None:
    assert_refused(export(*args), 2, said)


def test_a_folder_is_no_file(export: Any) -> None:
    Path("x.csv").mkdir()
    assert_refused(export("--out", "x.csv", "--force"), 2, "expected a file, got 'x.csv'")


def test_csv_on_stdout_is_the_file_and_nothing_else(export: Any) -> None:
    assert export("--out", "x.csv").code == 0
    said = export("--out", "-")
    assert (said.code, said.err) == (0, "")
    assert said.out == Path("x.csv").read_text()
    assert len(pd.read_csv(StringIO(said.out))) == 60


def test_whoever_reads_the_first_line_alone_sees_no_trace(filled: Path) -> None:
    program = "from pipeline.cli.main import main; main()"
    command = [sys.executable, "-c", program, "export", "--out", "-", "--mode", "all"]
    with subprocess.Popen(
        [*command, "--store", str(filled)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=Path(cli.__file__).parents[2],
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""


def test_json_says_what_was_written(export: Any) -> None:
    document = export("SPY", "--out", "x.parquet", "--json").document
    assert (document["out"], document["rows"], document["absent"]) == ("x.parquet", 15, [])
    assert document["notes"]["mode"] == "live"


# a file is whole or not there


@pytest.mark.parametrize("suffix", READERS)
@pytest.mark.parametrize(
    ("trouble", "code"), [(KeyboardInterrupt(), 130), (OSError(28, "No space left"), 1)]
)
def test_what_is_stopped_halfway_leaves_no_file(
    export: Any,
    monkeypatch: pytest.MonkeyPatch,
    suffix: str,
    trouble: BaseException,
    code: int,
) -> None:
    write = export_files.WRITERS[suffix]

    def write_half(rows: Any, file: Any) -> None:
        write(rows, file)
        raise trouble

    monkeypatch.setitem(export_files.WRITERS, suffix, write_half)
    said = export("--out", f"x{suffix}")
    assert said.code == code
    assert list(Path().iterdir()) == []
    Path(f"x{suffix}").write_text("before")
    assert export("--out", f"x{suffix}", "--force").code == code
    assert [path.read_text() for path in Path().iterdir()] == ["before"]


def test_a_disk_that_is_full_is_an_error_in_one_line(filled: Path, tmp_path: Path) -> None:
    program = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)); "
        "from pipeline.cli.main import main; main()"
    )
    out = tmp_path / "x.csv"
    done = subprocess.run(
        [sys.executable, "-c", program, "export", "--mode", "all"]
        + ["--store", str(filled), "--out", str(out)],
        cwd=Path(cli.__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: --out: expected to write {out}, got File too large")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_more_rows_than_a_sheet_has_are_refused_before_any_is_written(
    export: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.adapters.excel_workbook.MOST_ROWS", 60)
    assert_refused(export("--out", "x.xlsx"), 2, "at most 59 rows", "got 60", "--from and --to")
    assert not Path("x.xlsx").exists()
    assert export("SPY", "QQQ", "DIA", "--out", "x.xlsx").code == 0


def test_without_openpyxl_it_says_what_to_install(
    export: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    monkeypatch.delitem(sys.modules, "pipeline.adapters.excel_workbook", raising=False)
    assert_refused(export("--out", "x.xlsx"), 2, "expected openpyxl", "pip install '.[desk]'")
    assert export("--out", "x.csv").code == 0


def test_the_help_has_an_example() -> None:
    assert "Example: forecaster export SPY" in spawn("export", "--help", columns=120).stdout
