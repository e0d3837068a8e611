"""`forecaster explain` at a desk."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.support.commands import Forecaster

SPAN = ("--bars", "simulated", "--from", "2025-06-05", "--to", "2025-06-12")


def test_it_says_why_in_points_that_add_up(forecaster: Forecaster, tmp_path: Path) -> None:
    assert forecaster("backfill", *SPAN).code == 0
    said = forecaster("explain", "spy")
    assert said.code == 0, said.err
    head = re.search(
        r"SPY: .* from 2025-06-12 is ([\d.]+) % (wider|narrower) than .*06-11", said.out
    )
    assert head, said.out
    points = [float(number) for number in re.findall(r" ([+-]\d+\.\d)\s*$", said.out, re.M)]
    assert len(points) == 8
    change = float(head[1]) * (1 if head[2] == "wider" else -1)
    assert sum(points) == pytest.approx(change, abs=0.5)
    document = forecaster("explain", "SPY", "--json").document
    assert sum(document["causes"].values()) == pytest.approx(document["change"], abs=1e-9)
    latest = json.loads((tmp_path / "store" / "latest.json").read_bytes())
    of_spy = {"ticker": "SPY", "session": latest["session"]}
    assert document == of_spy | latest["tickers"]["SPY"]["width_change"]


def test_an_empty_store_is_one_clear_line(forecaster: Forecaster) -> None:
    said = forecaster("explain", "SPY")
    assert (said.code, said.out) == (1, "")
    assert "SPY: expected two published forecasts, found none" in said.err


def test_two_tickers_at_once_are_refused(forecaster: Forecaster) -> None:
    said = forecaster("explain", "SPY,QQQ")
    assert (said.code, said.out) == (2, "")
    assert "TICKER: expected one, got SPY, QQQ" in said.err
