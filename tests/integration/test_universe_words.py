"""What the command line says of a universe: who is withheld, what it costs, what it refuses."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.commands import Clock, Forecaster, assert_refused, digests

CSV = "ticker,group\nSPY,core\nQQQ,core\nDIA,old\nIWM,small\n"
RUN = ("run", "--bars", "simulated", "--universe", "u.csv", "--store", "store")


@pytest.fixture
def file(tmp_path: Path, clock: Clock) -> Path:
    clock(datetime(2025, 6, 5, 23, tzinfo=UTC))
    path = tmp_path / "u.csv"
    path.write_text(CSV)
    return path


def test_the_table_says_who_is_withheld_and_why(forecaster: Forecaster, file: Path) -> None:
    file.write_text(CSV + "XXX0\nXXX1\nXXX2\nXXX3\nXXX4\n")
    answer = forecaster(*RUN, "--shards", "1")
    assert (answer.code, answer.err) == (0, "")
    lines = [" ".join(line.split()) for line in answer.out.splitlines()]
    assert "shard=0000 incomplete 4 5 unknown_ticker: XXX0, XXX1, XXX2 and 2 more" in lines
    assert "all 4 5" in lines
    (shard,) = forecaster(*RUN, "--json").document["shards"].values()
    assert shard["withheld"] == {"unknown_ticker": [f"XXX{n}" for n in range(5)]}
    past = ("backfill", *RUN[1:-1], "past", "--from", "2025-06-03", "--to", "2025-06-04")
    rows = [" ".join(line.split()) for line in forecaster(*past).out.splitlines()]
    assert "shard=0000 issued 2 5 unknown_ticker: XXX0, XXX1, XXX2 and 2 more" in rows
    file.write_text("ticker\nXXX0\nXXX1\n")
    nothing = forecaster(*RUN[:-1], "empty", "--shards", "1")
    assert "0 withheld, in 0 shards of empty; 1 shard without it" in nothing.out
    assert "all 0 2" in [" ".join(line.split()) for line in nothing.out.splitlines()]


@pytest.mark.usefixtures("file")
def test_a_universe_and_a_record_do_not_begin_in_each_other_s_store(forecaster: Forecaster) -> None:
    alone = ("--bars", "simulated", "--store")
    forecaster("run", *alone, "own")
    forecaster(*RUN)
    before = digests(Path("own")), digests(Path("store"))
    words = "own/store.json: expected a store of a universe, found one of a record"
    for command in (("run",), ("backfill", "--from", "2025-06-03")):
        answer = forecaster(*command, *alone, "own", "--universe", "u.csv")
        assert_refused(answer, 1, words)
        answer = forecaster(*command, *alone, "store")
        assert_refused(answer, 1, "store/universe.json: expected a store of a record")
    assert (digests(Path("own")), digests(Path("store"))) == before


@pytest.mark.usefixtures("file")
def test_a_plan_needs_no_store_and_no_source(forecaster: Forecaster) -> None:
    answer = forecaster("plan", "--universe", "u.csv", "--shards", "4", "--rate", "60")
    assert (answer.code, answer.err) == (0, "")
    assert "4 tickers in 3 shards, the largest of 2" in answer.out
    assert "7 requests a session" in answer.out
    document = forecaster("plan", "--universe", "u.csv", "--json").document
    assert (document["shards"], document["requests"]) == (1, 5)
    assert not Path("store").exists()


@pytest.mark.usefixtures("file")
def test_what_a_plan_costs_can_be_read(forecaster: Forecaster) -> None:
    lines = [
        " ".join(line.split())
        for line in forecaster("plan", "--universe", "u.csv").out.splitlines()
    ]
    assert "1 minute at 120 a minute" in lines[1]
    for line in (
        "writes to S3 651 0.005 for 1,000 0.0033",
        "reads of S3 2,520 0.0004 for 1,000 0.0010",
        "GB in S3 after a year 0.045 0.023 each 0.0010",
        "GB-seconds of functions 680 0.0166667 for 1,000 0.0113",
        "steps of the state machine 252 0.025 for 1,000 0.0063",
    ):
        assert line in lines
