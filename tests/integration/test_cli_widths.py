"""Every command in narrow terminals, and its help: nothing wraps, no number is cut."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.leaderboard_text import print_leaderboard
from tests.support.commands import Forecaster
from tests.support.mixed_store import fill_mixed_store

ANSI = re.compile(r"\x1b\[[0-9;]*m")
NUMBER = re.compile(r"(?<![\w.-])[+-]?\d+\.\d+%?")
COMMANDS = {
    "show": ("show",),
    "show one": ("show", "SPY"),
    "status": ("status",),
    "slice": ("status", "--horizon", "1", "--mode", "all"),
    "slice of one": ("status", "SPY", "--coverage", "80"),
    "explain": ("explain", "SPY"),
    "run": ("run", "--bars", "simulated", "--as-of", "2025-01-15"),
    "verify": ("verify",),
    "replay": ("replay", "2025-01-14"),
}
WIDTHS = (40, 60, 80)
HELPED = ("", "run", "show", "status", "export", "plot", "report", "verify", "key", "key new")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill_mixed_store(tmp_path_factory.mktemp("mixed"))


@pytest.fixture(scope="module")
def printed() -> dict[tuple[int, tuple[str, ...]], list[str]]:
    """What was printed already, by columns and command: the store stays as it is."""
    return {}


@pytest.fixture
def lines(
    forecaster: Forecaster,
    filled: Path,
    printed: dict[tuple[int, tuple[str, ...]], list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> Any:
    """Run a command in a terminal of so many columns, once, and return what it prints."""

    def ask(columns: int, *args: str) -> list[str]:
        if (columns, args) not in printed:
            monkeypatch.setenv("TTY_COMPATIBLE", "1")
            monkeypatch.setenv("COLUMNS", str(columns))
            said = forecaster(*args, "--store", filled)
            assert said.code == 0, said.err
            text = ANSI.sub("", said.out)
            printed[columns, args] = [line.rstrip() for line in text.splitlines()]
        return printed[columns, args]

    return ask


@pytest.mark.parametrize("columns", WIDTHS)
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_no_line_is_wider_than_the_terminal(
    lines: Any, command: tuple[str, ...], columns: int
) -> None:
    narrow = lines(columns, *command)
    # What has no blank is a path or a digest, which a terminal may break and nobody else.
    words = [line for line in narrow if " " in line.strip()]
    assert max(map(len, words)) <= columns
    assert not [line for line in narrow if "…" in line]


@pytest.mark.parametrize("columns", WIDTHS)
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_every_number_of_a_narrow_terminal_stands_in_a_wide_one(
    lines: Any, command: tuple[str, ...], columns: int
) -> None:
    wide = set(NUMBER.findall("\n".join(lines(400, *command))))
    narrow = set(NUMBER.findall("\n".join(lines(columns, *command))))
    assert narrow <= wide


def test_what_a_narrow_terminal_leaves_out_is_said(lines: Any) -> None:
    for command in ("show", "status"):
        assert "Left out, for the terminal is" in "\n".join(lines(40, command))
        assert "Left out" not in "\n".join(lines(200, command))


@pytest.mark.parametrize("columns", WIDTHS)
def test_a_leaderboard_fits(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from pipeline.backtest.leaderboard import summarise
    from tests.support.builders import scores_table

    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("COLUMNS", str(columns))
    print_leaderboard(summarise(scores_table({"forecaster": 1.0, "garch_t": 1.2}), None))
    printed = [line.rstrip() for line in ANSI.sub("", capsys.readouterr().out).splitlines()]
    assert len(printed) > 40
    assert max(map(len, printed)) <= columns
    assert "…" not in "".join(printed)


# help


@pytest.mark.parametrize(
    "command",
    [
        "",
        "run",
        "show",
        "status",
        "export",
        "plot",
        "report",
        "verify",
        "key",
        "key new",
        "api-key",
    ],
)
def test_help_shows_a_flag_as_it_is_written(forecaster: Forecaster, command: str) -> None:
    said = forecaster(*command.split(), "--help")
    assert said.code == 0
    assert "--help" in said.out
    assert "<bool>" not in said.out


def test_one_of_a_thing_is_no_plural(forecaster: Forecaster) -> None:
    args = ("--bars", "simulated", "--tickers", "SPY", "--from", "2025-01-10", "--to", "2025-01-13")
    first = forecaster("backfill", *args[:-1], "2025-01-10")
    assert "1 session issued" in first.out
    assert "1 session from" in (forecaster("backfill", *args), forecaster("status"))[1].out
    assert "1 tickers" not in forecaster("verify").out
