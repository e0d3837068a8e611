"""`forecaster backfill`: what it says, refuses and leaves."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest

from pipeline.record import drawn
from tests.support.commands import Clock, Forecaster
from tests.support.record_commands import BACKFILL, FIRST, LAST, SESSIONS, assert_refused, files


def test_a_backfill_says_what_it_did_and_what_is_not_real(forecaster: Forecaster) -> None:
    answer = forecaster(*BACKFILL, "--tickers", "SPY,QQQ")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith("SIMULATED, NOT REAL")
    assert f"{SESSIONS} sessions issued into ./store, up to {LAST}." in answer.out
    assert len(list(Path("store/runs").iterdir())) == SESSIONS


def test_a_backfill_again_has_nothing_to_do(forecaster: Forecaster, store: Path) -> None:
    before = files(store)
    answer = forecaster(*BACKFILL, "--json")
    expected = {"store": "./store", "sessions": 0, "last": LAST, "withheld": {}}
    assert answer.document == expected
    assert files(store) == before


@pytest.mark.parametrize(
    ("now", "last"),
    [
        ("2027-01-02T12:00-05:00", "2026-12-31"),  # a weekend after a holiday, in another year
        ("2028-02-29T16:29:59-05:00", "2028-02-28"),
        ("2028-02-29T16:30-05:00", "2028-02-29"),
        ("2031-11-02T01:30-04:00", "2031-10-31"),  # the hour that comes twice
    ],
)
def test_a_backfill_without_an_end_goes_up_to_the_last_closed_session(
    forecaster: Forecaster, clock: Clock, now: str, last: str
) -> None:
    clock(datetime.fromisoformat(now))
    run = forecaster("run", "--bars", "simulated", "--store", "other", "--json")
    assert run.document["session"] == last
    args = ("--bars", "simulated", "--tickers", "SPY", "--from", last, "--json")
    assert forecaster("backfill", *args, "--store", "new").document == {
        "store": "new",
        "sessions": 1,
        "last": last,
        "withheld": {},
    }


def test_a_backfill_from_a_folder_of_bars_is_that_of_its_source(
    forecaster: Forecaster, store: Path
) -> None:
    fetched = ("fetch", "--bars", "simulated", "--out", "bars", "--from", "2024-01-02")
    assert forecaster(*fetched, "--to", LAST).code == 0
    assert forecaster(*BACKFILL[:1], "--bars", "bars", *BACKFILL[3:], "--store", "b").code == 0
    ours, theirs = files(Path("b")), files(store)
    scores = [key for key in theirs if key.startswith("scores/")]
    assert len(scores) == SESSIONS - 1
    assert {key: ours[key] for key in scores} == {key: theirs[key] for key in scores}


def test_a_backfill_goes_not_behind_a_run(forecaster: Forecaster) -> None:
    assert forecaster("run", "--bars", "simulated", "--as-of", LAST).code == 0
    before = files(Path("store"))
    assert_refused(forecaster(*BACKFILL), 1, f"expected a first session after {LAST}", FIRST)
    assert files(Path("store")) == before


def test_a_backfill_from_another_source_needs_another_store(
    forecaster: Forecaster, store: Path
) -> None:
    fetched = ("fetch", "--bars", "simulated", "--out", "bars", "--from", "2024-01-02")
    assert forecaster(*fetched, "--to", "2025-07-03").code == 0
    Path("bars/origin.txt").write_text("a friend")
    answer = forecaster("backfill", "--bars", "bars", "--from", "2025-07-01", "--to", "2025-07-03")
    assert_refused(answer, 1, "simulated market", "another source needs another store")


def test_a_span_without_a_session_is_refused(forecaster: Forecaster) -> None:
    args = ("--bars", "simulated", "--from", "2025-06-28", "--to", "2025-06-29")
    answer = forecaster("backfill", *args)
    assert answer.code in {1, 2}
    assert_refused(answer, answer.code, "2025-06-28")


def test_sessions_that_the_model_had_learnt_are_called_in_sample(forecaster: Forecaster) -> None:
    span = ("--from", "2024-12-26", "--to", "2025-01-10")
    answer = forecaster("backfill", "--bars", "simulated", *span)
    assert "trained on data up to 2024-12-31" in answer.out
    shown = forecaster("status")
    assert "In sample: of 3 of these 9 sessions the model had learnt what came" in shown.out
    assert "E-value" not in shown.out
    clear = forecaster(
        "backfill",
        "--bars",
        "simulated",
        "--from",
        "2025-01-02",
        "--to",
        "2025-01-10",
        "--store",
        "b",
    )
    assert "trained on data" not in clear.out
    assert "E-value" in forecaster("status", "--store", "b").out


def test_a_backfill_ends_with_the_bars(forecaster: Forecaster) -> None:
    until = ("--from", "2024-01-02", "--to", "2025-06-06")
    assert forecaster("fetch", "--bars", "simulated", *until, "--out", "bars").code == 0
    answer = forecaster("backfill", "--bars", "bars", "--from", "2025-06-02", "--to", LAST)
    assert "5 sessions issued into ./store, up to 2025-06-06" in answer.out
    assert json.loads(Path("store/latest.json").read_text())["session"] == "2025-06-06"


def test_a_backfill_of_many_tickers_says_that_it_draws_no_scenarios(
    forecaster: Forecaster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawn, "MOST_BACKFILLED", 2)

    def answer_of(n: int) -> str:
        names = ",".join(f"SIM{number:04d}" for number in range(n))
        args = ("--bars", "simulated", "--tickers", names, "--store", f"of-{n}")
        return forecaster("backfill", *args, "--from", "2025-06-05", "--to", "2025-06-05").out

    assert "Of more than 50 tickers a backfill draws no scenarios" in answer_of(3)
    assert not Path("of-3/scenarios").exists()
    refused = forecaster("risk", "--position", "SIM0000=1", "--store", "of-3")
    assert refused.code == 1
    assert "of so many tickers at once none are drawn" in refused.err
    run = forecaster(
        "run", "--store", "of-3", "--bars", "simulated", "--tickers", "SIM0000,SIM0001"
    )
    assert run.code == 0
    assert forecaster("risk", "--position", "SIM0000=1", "--store", "of-3").code == 0
    assert "draws no scenarios" not in answer_of(2)
    assert Path("of-2/scenarios").exists()


def test_sessions_that_the_record_has_gone_past_without_are_counted(forecaster: Forecaster) -> None:
    def answer(first: str, last: str) -> str:
        args = ("--bars", "simulated", "--tickers", "SPY", "--from", first, "--to", last)
        return forecaster("backfill", *args).out

    answer("2025-06-02", "2025-06-02")
    assert "There was nothing to do" in answer("2025-06-02", "2025-06-02")
    assert "Not on the record" not in answer("2025-06-02", "2025-06-02")
    answer("2025-06-05", "2025-06-05")
    assert "Not on the record: 2 of 4 sessions" in answer("2025-06-02", "2025-06-05")


def test_a_backfill_before_the_record_is_refused(store: Path, forecaster: Forecaster) -> None:
    span = ("--from", "2025-05-01", "--to", "2025-05-09")
    answer = forecaster("backfill", "--bars", "simulated", *span)
    assert answer.code == 1
    assert f"expected a first session after {LAST}" in answer.err
