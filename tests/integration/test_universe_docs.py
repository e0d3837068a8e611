"""docs/universe.md says what the code does: its commands, its sums, its shard."""

from __future__ import annotations

import re
from contextlib import redirect_stdout
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from textwrap import dedent

import pytest

from pipeline.jobs.universe.members import COLUMNS, parse_universe
from pipeline.jobs.universe.plan import Plan, plan_universe
from pipeline.record.sharding import assign_shard, name_shard
from tests.support.commands import ROOT, Clock, Forecaster

DOC = (ROOT / "docs" / "universe.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", DOC, re.DOTALL)
CODE = [dedent(text) for language, text in BLOCKS if language == "python"]
PYTHON = {name: text for name in ("hashlib", "pandas") for text in CODE if f"import {name}" in text}


def plan(tickers: int) -> Plan:
    names = "\n".join(["ticker", *(f"A{n}" for n in range(1, tickers + 1))])
    shards = -(-tickers // 250)
    parts = parse_universe(names.encode(), "u.csv").split(shards)
    return plan_universe({n: len(p.members) for n, p in parts.items()}, 1, 120, 3)


@pytest.mark.parametrize("tickers", [472, 10_000])
def test_the_plan_s_table_is_the_plan(tickers: int) -> None:
    of = plan(tickers)
    row = (of.tickers, of.shards, of.requests, round(of.minutes))
    assert f"| {' | '.join(f'{n:,}' for n in row)} | {of.usd:.2f} |" in DOC


def test_the_file_that_is_shown_is_a_universe_and_all_columns_are_told() -> None:
    universe = parse_universe(BLOCKS[0][1].encode(), "docs/universe.md")
    assert universe.renamed == {"META": "FB"}
    assert all(f"\n| `{column}` | " in DOC for column in COLUMNS)


def test_the_shard_that_is_reckoned_is_the_shard() -> None:
    code = PYTHON["hashlib"]
    with redirect_stdout(StringIO()) as out:
        exec(code, {})
    assert out.getvalue().strip() == name_shard(assign_shard("SPY", 4)) == "shard=0002"
    assert "# shard=0002" in code


def test_files_of_tickers_become_one_file_of_them_all(forecaster: Forecaster, clock: Clock) -> None:
    span = ("--from", "2023-01-03", "--to", "2025-06-05")
    tickers = ("--tickers", "SPY,QQQ,SIM0001")
    forecaster("fetch", "--bars", "simulated", "--out", "bars", *span, *tickers)
    exec(PYTHON["pandas"], {})
    clock(datetime(2025, 6, 5, 23, tzinfo=UTC))
    of_files, of_file = (
        forecaster("run", "--bars", bars, *tickers, "--store", bars + ".store", "--json").document
        for bars in ("bars", "bars.parquet")
    )
    for each in (of_files, of_file):
        assert each["withheld"] == {}
    columns = ("ticker", "horizon", "last_close", "prediction", "lower_95", "upper_95")
    rows = [
        [[row[name] for name in columns] for row in each["forecasts"]]
        for each in (of_files, of_file)
    ]
    assert rows[0] == rows[1] != []


def test_the_commands_have_the_options_that_are_shown(forecaster: Forecaster) -> None:
    (commands,) = [text for _, text in BLOCKS if text.startswith("forecaster plan")]
    for line in commands.splitlines():
        _, command, *words = line.split()
        shown = forecaster(command, "--help").out
        assert all(word in shown for word in words if word.startswith("--")), line


def test_what_it_links_to_is_there() -> None:
    for link in re.findall(r"\]\(([^)#]+)", DOC):
        assert (Path(ROOT) / "docs" / link).exists(), link
