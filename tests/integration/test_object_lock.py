"""What is created in S3 is locked, as asked; what is replaced never is (moto over HTTP).

moto keeps retention and refuses to delete what is locked. It does not enforce bucket policies:
those are shown on the packaged template and in the deployment of tests/e2e.
"""

from __future__ import annotations

import re
import runpy
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from pipeline.adapters.aws.s3_options import parse_lock
from pipeline.adapters.aws.s3_store import S3Objects
from pipeline.adapters.exchange.calendar import ExchangeCalendar
from pipeline.adapters.folder_store import FolderObjects
from pipeline.adapters.simulated.market import SimulatedMarket
from pipeline.errors import ConfigError, StoreError
from pipeline.jobs.daily import run
from pipeline.wiring import DEFAULT_BUNDLE, daily_job, open_store
from tests.support.commands import Forecaster
from tests.support.expected import KEYS, VIEWS
from tests.support.s3_server import BUCKET, S3, s3_server

ROOT = Path(__file__).resolve().parents[2]
LOCKED = "locked"  # a bucket with Object Lock; BUCKET has none
NOW = datetime.now(UTC).replace(microsecond=0)
UNTIL = NOW + timedelta(days=7 * 366)
KEY = "runs/2026-11-20.00.json"


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with s3_server() as server:
        server.client.create_bucket(Bucket=LOCKED, ObjectLockEnabledForBucket=True)
        yield server


@pytest.fixture(autouse=True)
def aws(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in s3.environ.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def store(tmp_path: Path) -> S3Objects:
    opened = open_store(f"s3://{LOCKED}/{tmp_path.name}", lock=parse_lock("governance:7", NOW))
    assert isinstance(opened, S3Objects)
    return opened


def retention(s3: S3, store: S3Objects, key: str) -> tuple[str, datetime] | None:
    """How the newest version under a key is locked."""
    head = s3.client.head_object(Bucket=store.bucket, Key=f"{store.prefix}/{key}")
    if "ObjectLockMode" not in head:
        return None
    return head["ObjectLockMode"], head["ObjectLockRetainUntilDate"]


@pytest.mark.parametrize("mode", ["governance", "compliance"])
def test_what_is_created_is_locked_and_what_is_replaced_is_not(
    s3: S3, mode: str, tmp_path: Path
) -> None:
    store = open_store(f"s3://{LOCKED}/{tmp_path.name}", lock=parse_lock(f"{mode}:7", NOW))
    assert isinstance(store, S3Objects)
    assert store.create(KEY, b"manifest")
    store.replace("latest.json", b"view")
    assert retention(s3, store, KEY) == (mode.upper(), UNTIL)
    assert retention(s3, store, "latest.json") is None
    assert store.read(KEY) == b"manifest"


def test_a_duplicate_finds_the_first_with_the_lock_it_has(s3: S3, store: S3Objects) -> None:
    assert store.create(KEY, b"manifest")
    later = parse_lock("compliance:9", NOW + timedelta(hours=2))
    again = S3Objects(store.bucket, store.prefix, lock=later)
    assert not again.create(KEY, b"manifest")
    assert retention(s3, store, KEY) == ("GOVERNANCE", UNTIL)


def test_no_version_that_is_locked_is_deleted_but_by_who_may_lift_it(
    s3: S3, store: S3Objects
) -> None:
    store.create(KEY, b"manifest")
    where: dict[str, Any] = {"Bucket": store.bucket, "Key": f"{store.prefix}/{KEY}"}
    where["VersionId"] = s3.client.head_object(**where)["VersionId"]
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.client.delete_object(**where)
    assert store.read(KEY) == b"manifest"
    s3.client.delete_object(**where, BypassGovernanceRetention=True)
    assert store.read(KEY) is None


def test_the_digest_that_s3_wants_is_sent_whatever_the_environment_says(
    s3: S3, store: S3Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
    assert store.create(KEY, b"manifest")
    assert retention(s3, store, KEY) == ("GOVERNANCE", UNTIL)


def test_a_bucket_without_object_lock_is_one_clear_error_and_nothing_is_written(
    s3: S3, tmp_path: Path
) -> None:
    store = open_store(f"s3://{BUCKET}/{tmp_path.name}", lock=parse_lock("governance:7", NOW))
    with pytest.raises(StoreError) as raised:
        store.create(KEY, b"manifest")
    told = str(raised.value)
    assert told.startswith(f"expected a bucket with Object Lock, to create and lock s3://{BUCKET}/")
    assert told.endswith("Switch it on (docs/operations.md#write-once) or say: lock none")
    assert store.keys("") == []


def test_a_run_locks_every_object_of_the_record_and_no_view(s3: S3, store: S3Objects) -> None:
    calendar = ExchangeCalendar()
    at = datetime(2024, 12, 27, 23, 30, tzinfo=UTC)
    job = daily_job(
        ("SPY", "QQQ", "DIA", "IWM"),
        SimulatedMarket(calendar),
        calendar,
        store=open_store(f"s3://{store.bucket}/{store.prefix}", lock=store.lock),
        bundle=DEFAULT_BUNDLE,
    )
    run(job, at, at)
    assert sorted(store.keys("")) == KEYS
    locked = {key for key in KEYS if retention(s3, store, key) == ("GOVERNANCE", UNTIL)}
    assert locked == set(KEYS) - VIEWS


def test_the_documented_program_brings_a_copy_into_a_bucket_and_locks_it(
    s3: S3, store: S3Objects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = FolderObjects(tmp_path / "store")
    for key in ("store.json", KEY, "latest.json"):
        copied.create(key, key.encode())
    text = (ROOT / "docs" / "operations.md").read_text()
    (program,) = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    program = program.replace("s3://BUCKET/store", f"s3://{store.bucket}/{store.prefix}")
    (tmp_path / "program.py").write_text(program)
    monkeypatch.chdir(tmp_path)
    runpy.run_path("program.py")
    assert store.keys("") == [KEY, "store.json"]
    assert store.read(KEY) == KEY.encode()
    assert (retention(s3, store, KEY) or "")[0] == "GOVERNANCE"


class TestCommandLine:
    RUN = ("run", "--bars", "simulated", "--as-of", "2024-12-27")

    def test_a_run_at_a_desk_locks_where_that_is_said(
        self, s3: S3, forecaster: Forecaster, tmp_path: Path
    ) -> None:
        at = f"s3://{LOCKED}/{tmp_path.name}"
        assert forecaster(*self.RUN, "--store", at, "--lock", "governance:1").code == 0
        store = S3Objects(LOCKED, tmp_path.name)
        mode, until = retention(s3, store, "runs/2024-12-27.00.json") or ("", NOW)
        assert mode == "GOVERNANCE"
        assert timedelta(days=365) < until - datetime.now(UTC) <= timedelta(days=366)

    def test_by_itself_it_locks_nothing(
        self, s3: S3, forecaster: Forecaster, tmp_path: Path
    ) -> None:
        at = f"s3://{LOCKED}/{tmp_path.name}"
        assert forecaster(*self.RUN, "--store", at).code == 0
        assert retention(s3, S3Objects(LOCKED, tmp_path.name), "runs/2024-12-27.00.json") is None

    @pytest.mark.parametrize("how", ["missing", "changed"])
    def test_what_a_repair_puts_back_is_locked_as_it_was(
        self, s3: S3, forecaster: Forecaster, tmp_path: Path, how: str
    ) -> None:
        at, key = f"s3://{LOCKED}/{tmp_path.name}", "calibration/2024-12-27.00.json"
        assert forecaster(*self.RUN, "--store", at, "--lock", "governance:1").code == 0
        where = {"Bucket": LOCKED, "Key": f"{tmp_path.name}/{key}"}
        if how == "changed":
            s3.client.put_object(**where, Body=b"{}")
        else:
            s3.client.delete_object(**where)
        assert forecaster("repair", "--store", at, "--lock", "governance:2").code == 0
        mode, until = retention(s3, S3Objects(LOCKED, tmp_path.name), key) or ("", NOW)
        assert mode == "GOVERNANCE"
        assert until - datetime.now(UTC) > timedelta(days=2 * 365)

    @pytest.mark.parametrize("command", [RUN, ("backfill", *RUN[1:3], "--from", "2024-12-20")])
    @pytest.mark.parametrize(
        ("store", "lock", "told"),
        [
            (f"s3://{BUCKET}/no-lock", "governance:7", "expected a bucket with Object Lock"),
            ("folder", "governance:7", "lock: expected none for a folder"),
            (f"s3://{LOCKED}/x", "forever", "lock: expected none, governance:YEARS or compliance"),
        ],
    )
    def test_what_cannot_be_locked_is_refused_in_one_line(
        self, forecaster: Forecaster, command: tuple[str, ...], store: str, lock: str, told: str
    ) -> None:
        answer = forecaster(*command, "--store", store, "--lock", lock)
        assert answer.code in (1, 2)
        assert told in " ".join(answer.err.split())
        assert "Traceback" not in answer.err


@pytest.mark.parametrize(("text", "days"), [("governance:1", 366), ("compliance:99", 99 * 366)])
def test_a_lock_is_a_mode_and_years(text: str, days: int) -> None:
    lock = parse_lock(text, NOW)
    assert lock is not None
    assert (lock.mode, lock.until) == (text.partition(":")[0].upper(), NOW + timedelta(days=days))


def test_none_is_no_lock() -> None:
    assert parse_lock("none", NOW) is None


@pytest.mark.parametrize(
    "text", ["", "governance", "governance:0", "governance:100", "GOVERNANCE:7", "none:7", "hold:7"]
)
def test_what_is_no_lock_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="lock: expected none, governance:YEARS or .*, got "):
        parse_lock(text, NOW)


def test_a_folder_cannot_be_locked(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="lock: expected none for a folder, got one for '"):
        open_store(str(tmp_path), lock=parse_lock("governance:7", NOW))
