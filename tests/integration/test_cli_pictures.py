"""`forecaster plot`, `show --plot` and `report`: the record looked at."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import Forecaster, assert_refused, spawn
from tests.support.mixed_store import fill_mixed_store, fill_store_with_backfill

NEWEST = "2025-01-15"
SIGNS = "●│░▒▓"
THIRTEEN = ",".join(f"T{n}" for n in range(13))


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill_mixed_store(tmp_path_factory.mktemp("mixed"))


@pytest.fixture
def ask(forecaster: Forecaster, filled: Path) -> Any:
    """Run a command on the mixed store."""
    return lambda *args: forecaster(*args, "--store", filled)


# report


def test_a_report_is_the_page_of_the_newest_session_to_the_byte(ask: Any, filled: Path) -> None:
    said = ask("report", "--out", "report.html")
    assert (said.code, said.err) == (0, "")
    assert f"The page of {NEWEST}" in said.out
    assert Path("report.html").read_bytes() == (filled / "index.html").read_bytes()


def test_a_report_is_made_of_the_record_and_not_of_its_views(
    forecaster: Forecaster, filled: Path
) -> None:
    shutil.copytree(filled, "store")
    for view in ("index.html", "history.json", "latest.json", "scenarios.bin", "track_record.json"):
        Path("store", view).unlink()
    assert forecaster("report", "--out", "report.html").code == 0
    assert Path("report.html").read_bytes() == (filled / "index.html").read_bytes()
    assert not Path("store/index.html").exists()


def test_the_report_of_an_earlier_session_is_what_its_run_wrote(
    ask: Any,
) -> None:
    said = ask("report", "--out", "then.html", "--date", "2025-01-10", "--json")
    assert said.document == {"out": "then.html", "session": "2025-01-10"}
    then = fill_store_with_backfill(Path("again"))
    assert Path("then.html").read_bytes() == (then / "index.html").read_bytes()


# plot


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_a_picture_is_written_whole_and_the_same_each_time(ask: Any, kind: str) -> None:
    pytest.importorskip("matplotlib", reason="expected matplotlib: pip install -e '.[desk]'")
    said = ask("plot", "spy", "IWM", "--out", f"a.{kind}")
    assert (said.code, said.err) == (0, "")
    assert f"SPY, IWM from the close of {NEWEST}, drawn in a.{kind}" in said.out
    assert ask("plot", "SPY", "IWM", "--out", f"b.{kind}").code == 0
    assert Path(f"a.{kind}").read_bytes() == Path(f"b.{kind}").read_bytes()


def test_a_picture_says_where_it_is_from_and_how_it_was_issued(ask: Any) -> None:
    pytest.importorskip("matplotlib", reason="expected matplotlib: pip install -e '.[desk]'")
    assert ask("plot", "SPY", "--out", "x.svg", "--date", "2025-01-10").code == 0
    svg = Path("x.svg").read_text()
    for words in (
        "SPY, forecast from the close of 2025-01-10",
        "simulated market (not real prices)",
        "not live: made afterwards, in a backfill",
        "in sample: the model had learnt",
        "50 %",
        "80 %",
        "95 %",
    ):
        assert words in svg


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("SPX", "--out", "x.svg"), 1, f"SPX: expected a ticker of {NEWEST}, which are DIA, IWM"),
        (("SPY", "--out", "x.pdf"), 2, "--out: expected a file named .svg or .png, got 'x.pdf'"),
        (("SPY", "--out", "x.svg", "--date", "2025-01-11"), 1, "the nearest are 2025-01-10 and"),
        (("--out", "x.svg"), 2, "TICKER"),
        (
            (",".join(f"T{n}" for n in range(13)), "--out", "x.svg"),
            2,
            "expected at most 12, got 13",
        ),
    ],
    ids=str,
)
def test_wrong_use_is_refused(ask: Any, args: tuple[str, ...], code: int, said: str) -> None:
    assert_refused(ask("plot", *args), code, said)
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    "args", [("plot", "SPY", "--out", "x.svg"), ("report", "--out", "x.html")], ids=str
)
def test_a_file_that_is_there_stays_unless_forced(ask: Any, args: tuple[str, ...]) -> None:
    if args[0] == "plot":
        pytest.importorskip("matplotlib", reason="expected matplotlib: pip install -e '.[desk]'")
    Path(args[-1]).write_text("mine")
    assert_refused(ask(*args), 2, "--force replaces it")
    assert Path(args[-1]).read_text() == "mine"
    assert ask(*args, "--force").code == 0
    assert Path(args[-1]).read_text() != "mine"


def test_without_matplotlib_it_says_what_to_install(
    ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "pipeline.adapters.fan_figure", raising=False)
    said = ask("plot", "SPY", "--out", "x.svg")
    assert_refused(said, 2, "expected matplotlib", "pip install '.[desk]'", "show --plot")


# show --plot


def test_a_fan_in_the_terminal_is_drawn_for_each_ticker(ask: Any) -> None:
    plain, drawn = ask("show", "SPY", "QQQ"), ask("show", "SPY", "QQQ", "--plot")
    assert (drawn.code, drawn.err) == (0, "")
    assert not set(plain.out) & set(SIGNS)
    assert set(SIGNS) <= set(drawn.out)
    for ticker in ("SPY", "QQQ"):
        assert f"{ticker}: simulated market (not real prices); issued live" in drawn.out
    assert "\x1b" not in drawn.out


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_a_fan_is_no_wider_than_the_terminal(
    ask: Any, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("COLUMNS", str(columns))
    out = re.sub(r"\x1b\[[0-9;]*m", "", ask("show", "SPY", "--plot").out)
    drawing = [line for line in out.splitlines() if set(line) & set(SIGNS)]
    assert len(drawing) > 18
    assert max(map(len, drawing)) <= columns


@pytest.mark.parametrize(("environ", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_colours_are_for_those_who_want_them(
    ask: Any, monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], coloured: bool
) -> None:
    for name, value in {"TTY_COMPATIBLE": "1", "TERM": "xterm-256color", **environ}.items():
        monkeypatch.setenv(name, value)
    colours = re.search(r"\x1b\[[0-9;]*3[0-7]m", ask("show", "SPY", "--plot").out)
    assert (colours is not None) is coloured


@pytest.mark.parametrize("command", ["plot", "report", "show"])
def test_the_help_has_an_example(command: str) -> None:
    assert f"Example: forecaster {command} " in spawn(command, "--help", columns=120).stdout
