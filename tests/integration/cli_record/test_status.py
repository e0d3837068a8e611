"""`forecaster status`: coverage, skill, evidence and what is missing."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.support.commands import Forecaster
from tests.support.record_commands import LAST, assert_refused, flip


def test_status_shows_coverage_skill_evidence_and_what_was_withheld(
    forecaster: Forecaster, store: Path
) -> None:
    answer = forecaster("status")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith("SIMULATED, NOT REAL")
    assert f"Newest session {LAST}" in answer.out
    assert "Not live but made afterwards (backfill): 9 sessions" in answer.out
    for word in ("SPY", "QQQ", "DIA", "IWM", "GARCH(1,1)-t", "EWMA", "persistence"):
        assert word in answer.out
    assert "E-value against 'no better than GARCH(1,1)-t'" in answer.out
    assert len(re.findall(r"\bnever\b", answer.out)) == 8


def test_status_for_machines_is_the_track_record(forecaster: Forecaster, store: Path) -> None:
    document = forecaster("status", "--json").document
    assert document["session"] == LAST
    assert document["lag_sessions"] > 0
    assert document["tickers"] == dict.fromkeys(("SPY", "QQQ", "DIA", "IWM"), "ok")
    assert document["record"] == json.loads((store / "track_record.json").read_text())


def test_status_after_one_run_says_that_nothing_is_realised_yet(forecaster: Forecaster) -> None:
    assert forecaster("run", "--bars", "simulated", "--as-of", LAST).code == 0
    answer = forecaster("status")
    assert answer.code == 0
    assert "No forecast has been realised yet." in answer.out
    assert forecaster("status", "--json").document["record"]["modes"] == {}


def test_status_names_what_was_withheld(forecaster: Forecaster) -> None:
    span = ("--from", "2025-06-26", "--to", LAST)
    fetched = ("fetch", "--bars", "simulated", "--out", "bars", "--from", "2024-01-02")
    assert forecaster(*fetched, "--tickers", "SPY", "--to", LAST).code == 0
    Path("bars/ODD.csv").write_text("half a fi")
    backfill = forecaster("backfill", "--bars", "bars", "--tickers", "SPY,ODD", *span)
    assert backfill.code == 0
    assert "ODD       unreadable  ODD.csv: expected the columns Date" in backfill.out
    answer = forecaster("status")
    assert "withheld:unreadable" in answer.out
    assert "unreadable 3" in answer.out


def test_status_of_a_state_that_was_changed_is_one_clear_error(
    forecaster: Forecaster, store: Path
) -> None:
    flip(store / f"calibration/{LAST}.00.json")
    assert_refused(forecaster("status"), 1, f"calibration/{LAST}.00.json: expected sha256")


def test_status_names_the_sessions_that_no_run_issued(store: Path, forecaster: Forecaster) -> None:
    assert forecaster("status", "--json").document["missing"] == []
    late = ("--from", "2025-07-03", "--to", "2025-07-03")
    assert forecaster("backfill", "--bars", "simulated", *late).code == 0
    shown = forecaster("status")
    assert "Missing, for no run issued them in time: 2025-07-01, 2025-07-02\n" in shown.out
