"""What says that it was issued at another time than the store wrote it is named."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.adapters.aws.s3_store import S3Objects
from pipeline.adapters.folder_store import FolderObjects
from pipeline.forecasting.model import Model
from pipeline.jobs.chain_check import Problem
from pipeline.jobs.verify import Verified, verify
from pipeline.ports import ObjectStore
from pipeline.record.chain import find_head, walk_back
from pipeline.record.keys import claim_key
from pipeline.record.manifest import Mode
from tests.support.fakes import MemoryObjects
from tests.support.records import (
    CALENDAR,
    LONG_AFTER,
    SESSIONS,
    TABLES,
    backfilled,
    evening,
    job_on,
    market,
    run,
    run_days,
)
from tests.support.s3_server import BUCKET, make_client, moto_server

SPAN = SESSIONS[-3:]
MANIFESTS = [f"runs/{session}.00.json" for session in SPAN]
MINUTE = timedelta(minutes=1)


def checked(store: ObjectStore) -> Verified:
    return verify(store, TABLES, CALENDAR)


def named(found: Verified) -> list[str]:
    assert {finding.problem for finding in found.findings} <= {Problem.BACK_DATED}
    return [finding.key for finding in found.findings]


def honest_times(store: ObjectStore) -> dict[str, datetime]:
    """When vintages and claims are written if each run is at its session's evening."""
    runs = [link.manifest for link in walk_back(store, find_head(store))]
    times = {run.table("bars"): evening(run.session) + MINUTE for run in runs}
    return times | {claim_key(run.previous): evening(run.session) + 2 * MINUTE for run in runs}


@pytest.fixture
def store(model: Model) -> MemoryObjects:
    """Three live sessions, each written on its evening."""
    store = run_days(model, SPAN)
    store.times = honest_times(store)
    assert set(store.times) == set(store.keys("bars/") + store.keys("claims/"))
    return store


def vintage(at: int) -> str:
    return f"bars/month=2024-12/{SPAN[at]}.00.parquet"


@pytest.mark.parametrize(
    ("off", "is_named"),
    [
        (timedelta(hours=1), False),
        (timedelta(hours=1, seconds=1), True),
        (timedelta(days=300), True),
        (timedelta(minutes=-15), False),
        (timedelta(minutes=-15, seconds=-1), True),
        (timedelta(days=-300), True),
    ],
    ids=str,
)
def test_a_part_whose_bars_were_written_at_another_time_is_back_dated(
    store: MemoryObjects, off: timedelta, is_named: bool
) -> None:
    assert checked(store).findings == checked(store).hints == ()
    store.times[vintage(1)] = evening(SPAN[1]) + off
    assert named(checked(store)) == [MANIFESTS[1]] * is_named
    store.vouched = False
    found = checked(store)
    assert (found.findings, [hint.key for hint in found.hints]) == ((), [MANIFESTS[1]] * is_named)


def test_a_live_part_that_was_claimed_after_the_next_close_is_back_dated(
    model: Model, store: MemoryObjects
) -> None:
    # Its bars are of that evening; its model was chosen when the outcome was known.
    store.times["claims/first.json"] = evening(SPAN[1])
    assert named(checked(store)) == []  # an hour and more may pass until a run has claimed
    store.times["claims/first.json"] += timedelta(hours=1)
    assert named(checked(store)) == [MANIFESTS[0]]
    store.times["claims/first.json"] = datetime(2061, 1, 1, tzinfo=UTC)  # in no calendar of ours
    assert named(checked(store)) == [MANIFESTS[0]]
    afterwards = run_days(model, SPAN, mode=Mode.AS_OF)
    afterwards.times = {"claims/first.json": LONG_AFTER}
    assert named(checked(afterwards)) == []


def test_a_backfill_stores_its_plan_as_it_begins_and_its_bars_later(model: Model) -> None:
    store = backfilled(model, SPAN[0], SPAN[-1])
    plan = f"backfills/{SPAN[0]}.00.json"
    store.times = dict.fromkeys(store.keys("bars/"), LONG_AFTER + timedelta(days=3))
    store.times[plan] = LONG_AFTER + MINUTE
    assert named(checked(store)) == []
    store.times[plan] = LONG_AFTER + timedelta(days=3)
    assert named(checked(store)) == [plan]
    store.times[plan] = LONG_AFTER
    store.times[vintage(0)] = LONG_AFTER - timedelta(days=3)
    assert named(checked(store)) == [MANIFESTS[0]]
    # A dead one's plan, by which nothing was issued, is nobody's; so is what is none.
    store.times[vintage(0)] = LONG_AFTER
    store.objects[plan.replace(".00.", ".01.")] = store.objects[plan].replace(b"2025", b"2031", 1)
    store.objects[plan.replace(".00.", ".02.")] = b"{"
    store.times |= dict.fromkeys(store.keys("backfills/"), LONG_AFTER)
    assert named(checked(store)) == []


# What the stores themselves know


def test_a_live_record_made_today_under_a_false_clock_is_a_hint_in_a_folder(
    model: Model, tmp_path: Path
) -> None:
    store = FolderObjects(tmp_path)
    run_days(model, SPAN, store=store)
    found = checked(store)
    assert found.findings == ()
    assert {hint.key for hint in found.hints} == set(MANIFESTS)
    for key, moment in honest_times(store).items():
        os.utime(tmp_path / key, (moment.timestamp(), moment.timestamp()))
    assert checked(store).hints == ()


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[S3Objects]:
    """An empty store: a server in this process keeps what one before it had."""
    with moto_server() as url, closing(make_client(url)) as client:
        client.create_bucket(Bucket=BUCKET)
        yield S3Objects(BUCKET, tmp_path.name, client)


def test_a_live_record_made_today_under_a_false_clock_is_named_in_s3(
    model: Model, s3: S3Objects
) -> None:
    run_days(model, SPAN, store=s3)
    assert set(named(checked(s3))) == set(MANIFESTS)
    assert checked(s3).hints == ()


def test_what_was_made_today_and_says_so_is_not_named_in_s3(model: Model, s3: S3Objects) -> None:
    run(job_on(model, s3, market()), evening(SPAN[0]), datetime.now(UTC))
    backfilled(model, SPAN[1], SPAN[1], store=s3, at=datetime.now(UTC))
    assert named(checked(s3)) == []
    assert {link.manifest.mode for link in walk_back(s3, find_head(s3))} == {"as_of", "backfill"}
