"""`forecaster verify`: whole records, and what is named of others."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from tests.support.commands import Forecaster
from tests.support.record_commands import FIRST, LAST, SESSIONS, assert_refused, flip


def test_an_intact_record_is_whole_and_its_digest_can_be_noted(
    forecaster: Forecaster, store: Path
) -> None:
    answer = forecaster("verify")
    assert (answer.code, answer.err) == (0, "")
    assert f"{SESSIONS} manifests and " in answer.out
    assert f"The chain is whole up to runs/{LAST}.00.json" in answer.out
    (digest,) = re.findall(r"sha256 ([0-9a-f]{64})", answer.out)
    document = forecaster("verify", "--json", "--noted", digest).document
    assert document["newest"] == {"key": f"runs/{LAST}.00.json", "sha256": digest}
    assert (document["findings"], document["left_behind"]) == ([], [])
    assert document["manifests"] == SESSIONS


def test_a_digest_that_is_not_in_the_chain_fails(forecaster: Forecaster, store: Path) -> None:
    answer = forecaster("verify", "--noted", "0" * 64)
    assert_refused(answer, 1, "expected an intact record")
    assert "0" * 64 in answer.out


CHANGED = {
    f"runs/{LAST}.00.json": "unconfirmed",
    "runs/2025-06-20.00.json": "changed",
    "forecasts/month=2025-06/2025-06-20.00.parquet": "changed",
    "bars/month=2025-06/2025-06-20.00.parquet": "changed",
    "scores/month=2025-06/2025-06-20.00.parquet": "changed",
    "calibration/2025-06-20.00.json": "changed",
    "latest.json": "changed",
    "track_record.json": "changed",
}


@pytest.mark.parametrize("key", CHANGED)
def test_a_byte_changed_in_the_store_is_named_and_fails(
    forecaster: Forecaster, store: Path, key: str
) -> None:
    flip(store / key)
    answer = forecaster("verify")
    assert_refused(answer, 1, "expected an intact record, found ")
    assert key in answer.out
    assert "The chain is whole" not in answer.out
    document = forecaster("verify", "--json")
    assert document.code == 1
    found = {one["key"] for one in document.document["findings"]}
    assert key in found


def test_a_missing_object_is_named(forecaster: Forecaster, store: Path) -> None:
    (store / "baselines/month=2025-06/2025-06-20.00.parquet").unlink()
    document = forecaster("verify", "--json").document
    assert [(one["problem"], one["key"]) for one in document["findings"]] == [
        ("missing", "baselines/month=2025-06/2025-06-20.00.parquet")
    ]


def test_a_copy_s_times_are_a_hint_and_no_failure(forecaster: Forecaster, store: Path) -> None:
    plan = f"backfills/{FIRST}.00.json"
    issued = datetime.fromisoformat(json.loads((store / plan).read_text())["issued_at"]).timestamp()
    for path in store.rglob("*.*"):
        os.utime(path, (issued, issued))  # whatever day the tests play
    assert forecaster("verify", "--json").document["hints"] == []
    os.utime(store / plan, (0, 0))
    answer = forecaster("verify")
    assert answer.code == 0
    assert "Hint: 1 file of another time than said inside; so has a copy" in answer.out
    assert f"  {plan}: it says issued " in answer.out
    assert "The chain is whole" in answer.out
    assert [hint["key"] for hint in forecaster("verify", "--json").document["hints"]] == [plan]


@pytest.mark.parametrize(
    "change",
    [
        lambda terms: terms.replace("XNYS", "XLON"),
        lambda terms: terms.replace("simulated", "real"),
        lambda terms: terms + " ",
        lambda terms: "{",
        None,
    ],
    ids=["calendar", "source", "bytes", "no terms", "missing"],
)
def test_a_store_s_terms_are_checked(
    forecaster: Forecaster, store: Path, change: Callable[[str], str] | None
) -> None:
    terms = store / "store.json"
    if change is None:
        terms.unlink()
    else:
        terms.write_text(change(terms.read_text()))
    answer = forecaster("verify", "--calendar", "XNYS", "--json")
    assert answer.code == 1
    named = {(one["problem"], one["key"]) for one in answer.document["findings"]}
    assert named == {("changed" if change else "missing", "store.json")}
    assert forecaster("verify").code == 1  # by the exchange that the store says, if it says one


def test_what_nobody_claims_is_listed_and_no_failure(forecaster: Forecaster, store: Path) -> None:
    stray = store / "forecasts/month=2025-07/2025-07-01.00.parquet"
    stray.parent.mkdir()
    stray.write_bytes(b"left by a run that died")
    answer = forecaster("verify")
    assert answer.code == 0
    assert "  forecasts/month=2025-07/2025-07-01.00.parquet" in answer.out


def test_a_digest_that_is_none_is_wrong_use(store: Path, forecaster: Forecaster) -> None:
    answer = forecaster("verify", "--noted", "abc")
    assert (answer.code, answer.out) == (2, "")
    assert "expected a sha256 of 64 hex digits, a file of such" in answer.err
    assert "got 'abc': No such file" in answer.err
