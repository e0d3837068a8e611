"""The commands on the record: backfill, verify, replay and status, on folders and on S3."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.support.commands import Answer, Clock, Forecaster, fill_store
from tests.support.s3_server import BUCKET, S3, s3_server

FIRST, LAST = "2025-06-02", "2025-06-30"
SESSIONS = 20  # of that span: 19 June is a holiday
COMMANDS = ("backfill", "verify", "replay", "status")
OTHER_BUNDLE = Path(__file__).parents[1] / "golden" / "bundle"
BACKFILL = ("backfill", "--bars", "simulated", "--from", FIRST, "--to", LAST)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that a backfill of the simulated market has filled."""
    return fill_store(tmp_path_factory.mktemp("record"), *BACKFILL)


@pytest.fixture
def store(forecaster: Forecaster, made: Path) -> Path:
    """A copy of that store, to be changed at will."""
    shutil.copytree(made, "store")
    return Path("store")


def files(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def assert_refused(answer: Answer, code: int, *words: str) -> None:
    assert answer.code == code
    assert answer.err.startswith("error: ")
    assert answer.err.count("\n") == 1
    for word in words:
        assert word in answer.err


# help and wrong use


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


# backfill


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


# verify


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
    "runs/2025-06-12.00.json": "changed",
    "forecasts/month=2025-06/2025-06-12.00.parquet": "changed",
    "bars/month=2025-06/2025-06-12.00.parquet": "changed",
    "scores/month=2025-06/2025-06-12.00.parquet": "changed",
    "calibration/2025-06-12.00.json": "changed",
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
    (store / "baselines/month=2025-06/2025-06-12.00.parquet").unlink()
    document = forecaster("verify", "--json").document
    assert [(one["problem"], one["key"]) for one in document["findings"]] == [
        ("missing", "baselines/month=2025-06/2025-06-12.00.parquet")
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


# replay


def test_a_session_made_again_is_equal(forecaster: Forecaster, store: Path) -> None:
    answer = forecaster("replay", "2025-06-12")
    assert (answer.code, answer.err) == (0, "")
    lines = answer.out.splitlines()
    assert all(line.startswith("equal    ") for line in lines)
    assert lines[-1].endswith("runs/2025-06-12.00.json")
    document = forecaster("replay", "2025-06-12", "--json").document
    assert {one["equal"] for one in document["objects"]} == {True}
    assert [one["key"] for one in document["objects"]] == [line[9:] for line in lines]


def test_a_session_replays_under_another_bundle_deployed_since(
    forecaster: Forecaster, store: Path
) -> None:
    args = ("run", "--bars", "simulated", "--bundle", OTHER_BUNDLE, "--as-of", "2025-07-01")
    assert forecaster(*args).code == 0
    assert len(list((store / "bundles").iterdir())) == 2
    for session in (FIRST, LAST, "2025-07-01"):
        assert forecaster("replay", session).code == 0
    assert forecaster("verify").code == 0


@pytest.mark.parametrize("day", ["2025-06-19", "2025-06-14", "2024-06-12"])
def test_a_day_without_forecasts_is_one_clear_error(
    forecaster: Forecaster, store: Path, day: str
) -> None:
    assert_refused(forecaster("replay", day), 1, f"expected a manifest of {day}", "found none")


def test_a_session_whose_vintage_is_gone_is_one_clear_error(
    forecaster: Forecaster, store: Path
) -> None:
    key = "bars/month=2025-06/2025-06-12.00.parquet"
    (store / key).unlink()
    assert_refused(forecaster("replay", "2025-06-12"), 1, key, "found none")


# status


def test_status_shows_coverage_skill_evidence_and_what_was_withheld(
    forecaster: Forecaster, store: Path
) -> None:
    answer = forecaster("status")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith("SIMULATED, NOT REAL")
    assert f"Newest session {LAST}" in answer.out
    assert "Not live but made afterwards (backfill): 19 sessions" in answer.out
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


# S3


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with s3_server() as server:
        yield server


def test_all_of_it_on_s3_as_in_a_folder(
    forecaster: Forecaster, made: Path, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3.environ.items():
        monkeypatch.setenv(name, value)
    at = ("--store", f"s3://{BUCKET}/record")
    answer = forecaster(*BACKFILL, *at, "--json")
    assert (answer.code, answer.document["sessions"]) == (0, SESSIONS)
    # Equal but for the time of issue: the scores have none.
    ours, theirs = s3.objects("record"), files(made)
    # So are the digests of manifests, by which claims are called.
    named = [sorted(key for key in keys if "claims/" not in key) for keys in (ours, theirs)]
    assert named[0] == named[1]
    assert len(ours) == len(theirs)
    scores = [key for key in theirs if key.startswith("scores/")]
    assert {key: ours[key] for key in scores} == {key: theirs[key] for key in scores}
    assert forecaster("verify", *at).code == 0
    assert forecaster("replay", "2025-06-12", *at).code == 0
    assert "19 sessions" in forecaster("status", *at).out
    key = "forecasts/month=2025-06/2025-06-12.00.parquet"
    s3.client.put_object(Bucket=BUCKET, Key=f"record/{key}", Body=b"another forecast")
    answer = forecaster("verify", *at)
    assert answer.code == 1
    assert key in answer.out
    assert_refused(forecaster("verify", "--store", f"s3://{BUCKET}/none"), 1, "found none")


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


def test_a_backfill_before_the_record_is_refused(store: Path, forecaster: Forecaster) -> None:
    span = ("--from", "2025-05-01", "--to", "2025-05-09")
    answer = forecaster("backfill", "--bars", "simulated", *span)
    assert answer.code == 1
    assert f"expected a first session after {LAST}" in answer.err


def test_status_names_the_sessions_that_no_run_issued(store: Path, forecaster: Forecaster) -> None:
    assert forecaster("status", "--json").document["missing"] == []
    late = ("--from", "2025-07-03", "--to", "2025-07-03")
    assert forecaster("backfill", "--bars", "simulated", *late).code == 0
    shown = forecaster("status")
    assert "Missing, for no run issued them in time: 2025-07-01, 2025-07-02\n" in shown.out


def test_a_digest_that_is_none_is_wrong_use(store: Path, forecaster: Forecaster) -> None:
    answer = forecaster("verify", "--noted", "abc")
    assert (answer.code, answer.out) == (2, "")
    assert "expected a sha256 of 64 hex digits, a file of such" in answer.err
    assert "got 'abc': No such file" in answer.err
