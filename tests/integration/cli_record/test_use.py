"""Help of the commands on the record, and their wrong use."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.commands import Forecaster
from tests.support.record_commands import BACKFILL, COMMANDS, FIRST, LAST, assert_refused


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_every_command_has_an_example(forecaster: Forecaster, command: str) -> None:
    answer = forecaster(command, "--help")
    assert (answer.code, answer.err) == (0, "")
    assert f"Example: forecaster {command}" in answer.out


def test_the_commands_are_in_the_help(forecaster: Forecaster) -> None:
    assert all(command in forecaster("--help").out for command in COMMANDS)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("backfill", "--bars", "simulated"), ("--from",)),
        (("backfill", "--from", FIRST), ("--bars",)),
        (("backfill", "--bars", "simulated", "--from", "yesterday"), ("2024-12-27",)),
        (("backfill", "--bars", "simulated", "--from", "2999-01-04"), ("--from", "2999-01-04")),
        ((*BACKFILL[:5], "--to", "2999-01-04"), ("--to", "not after today")),
        ((*BACKFILL[:3], "--from", LAST, "--to", FIRST), ("--from", FIRST)),
        (("backfill", "--bars", "nowhere", "--from", FIRST), ("bars: expected", "nowhere")),
        (("backfill", "--bars", "simulated", "--from", FIRST, "--tickers", "$"), ("--tickers",)),
        (("replay",), ("DATE",)),
        (("replay", "27.12.2024"), ("expected a date like 2024-12-27",)),
        (("verify", "--store", "http://x"), ("store: expected",)),
        (("status", "--store", ""), ("store: expected",)),
    ],
    ids=lambda args: " ".join(args)[:50],
)
def test_wrong_use_is_refused_in_one_line(
    forecaster: Forecaster, args: tuple[str, ...], words: tuple[str, ...]
) -> None:
    answer = forecaster(*args)
    assert_refused(answer, 2, *words)
    assert answer.out == ""


@pytest.mark.parametrize(
    ("args", "word"),
    [
        (("verify",), "expected a record in empty, found none"),
        (("replay", LAST), f"expected a manifest of {LAST}"),
        (("status",), "expected a record at empty/runs, found none"),
    ],
    ids=lambda args: args[0],
)
@pytest.mark.parametrize("machine", [(), ("--json",)], ids=["people", "machines"])
def test_an_empty_store_is_one_line_and_stays_empty(
    forecaster: Forecaster, args: tuple[str, ...], word: str, machine: tuple[str, ...]
) -> None:
    answer = forecaster(*args, "--store", "empty", *machine)
    assert_refused(answer, 1, word)
    assert answer.out == ""
    assert not Path("empty").exists()
