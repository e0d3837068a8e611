"""A universe on AWS on this machine: its shards by the deployed state machine, in Lambda's runtime.

One shard is killed, one gets no bars, a start comes twice; afterwards every shard verifies and is,
byte for byte, what one machine makes of the same bars. The tests are in the order of a session.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline.adapters.exchange.calendar import ExchangeCalendar
from tests.e2e.cloud import ACCOUNT, BUCKET, NAME, REGION, Cloud, eventually, local_cloud
from tests.e2e.deployment import DAILY, ON_DEMAND, deploy, keys
from tests.e2e.faults import MARKET
from tests.e2e.rights import ALLOWED, DENIED, Call, rights_of, tried
from tests.support.builders import raw_bars

pytestmark = [pytest.mark.slow, pytest.mark.emulator]

MACHINE = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:{NAME}-universe"
SHARDS, LISTS = 4, "lists"
TICKERS = [f"T{number:02}" for number in range(12)]
UNIVERSE = {
    "universe": f"s3://{LISTS}/universe.csv",
    "shards": str(SHARDS),
    "shardConcurrency": str(SHARDS),
    "bars": f"s3://{MARKET}/bars.parquet",
}
CALENDAR = ExchangeCalendar()
NOW = datetime.now(UTC)
SESSION = CALENDAR.last_closed(NOW)
TIME = f"{NOW:%Y-%m-%dT%H:%M:%SZ}"
# What a run begins with; all else is a pure function of it.
BEGUN = ("universe.json", "store.json", "universe.shard.json", "claims/", "bars/")


def bars() -> bytes:
    """One file with the bars of all tickers up to the last session."""
    sessions = CALENDAR.ending(SESSION, 420)
    frames = []
    for number, ticker in enumerate(TICKERS):
        read = raw_bars(ticker, len(sessions), seed=number)
        prices = {name.title(): getattr(read, name) for name in ("open", "high", "low", "close")}
        more = {"Volume": read.volume, "Dividends": read.dividend, "Stock Splits": read.split}
        dates = pd.to_datetime(np.array(sessions, "datetime64[D]"))
        frames.append(pd.DataFrame({"Ticker": ticker, "Date": dates, **prices, **more}))
    file = io.BytesIO()
    pd.concat(frames).to_parquet(file, index=False)
    return file.getvalue()


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """The cloud, with a universe deployed in it as a user would."""
    with local_cloud(tmp_path_factory.mktemp("cloud")) as started:
        s3 = started.client("s3")
        for bucket in (LISTS, MARKET):
            s3.create_bucket(Bucket=bucket)
        s3.put_object(Bucket=LISTS, Key="universe.csv", Body="\n".join(["ticker", *TICKERS]))
        s3.put_object(Bucket=MARKET, Key="bars.parquet", Body=bars())
        deploy(started, **UNIVERSE)
        yield started


def start(cloud: Cloud, time: str, **more: Any) -> Any:
    """Start the state machine and wait; gives how the execution ended."""
    states = cloud.client("stepfunctions")
    asked = json.dumps({"time": time, **more})
    execution = states.start_execution(stateMachineArn=MACHINE, input=asked)["executionArn"]
    return ended(cloud, execution)


def ended(cloud: Cloud, execution: str) -> Any:
    states = cloud.client("stepfunctions")

    def look() -> Any:
        described = states.describe_execution(executionArn=execution)
        return described if described["status"] != "RUNNING" else None

    return eventually(look, 300)


def named_by(time: str) -> str:
    """The execution of a time, by the name that follows from it."""
    name = time.replace(":", "-")
    return f"{MACHINE.replace('stateMachine', 'execution')}:{name}"


def stored(cloud: Cloud, prefix: str = "store/") -> dict[str, str]:
    """Key -> digest of its bytes, of all there is."""
    pages = (
        cloud.client("s3").get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
    )
    return {each["Key"]: each["ETag"] for page in pages for each in page.get("Contents", ())}


def gathered(cloud: Cloud) -> Any:
    key = f"store/universe/{SESSION}.json"
    return json.load(cloud.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"])


def with_tickers() -> set[int]:
    from pipeline.record.sharding import assign_shard

    return {assign_shard(ticker, SHARDS) for ticker in TICKERS}


def test_a_shard_that_gets_no_bars_fails_the_execution_and_stops_no_other(cloud: Cloud) -> None:
    assert with_tickers() == set(range(SHARDS))
    for fault in ("kill-0001", "throttle-0002"):
        (cloud.faults / fault).touch()
    assert start(cloud, TIME)["status"] == "SUCCEEDED"  # it has begun the one of that name
    assert ended(cloud, named_by(TIME))["status"] == "FAILED"
    assert not (cloud.faults / "kill-0001").exists()
    assert gathered(cloud)["missing"] == [2]
    for shard in (0, 1, 3):
        assert keys(cloud, f"store/shard={shard:04}/runs/")


def test_a_second_start_for_the_same_time_does_nothing(cloud: Cloud) -> None:
    before = stored(cloud, "")
    assert start(cloud, TIME)["status"] == "SUCCEEDED"
    assert stored(cloud, "") == before


def test_what_is_missing_is_run_once_the_source_answers_and_nothing_else_changes(
    cloud: Cloud,
) -> None:
    """ministack redrives nothing, so the same execution is begun anew under another name."""
    before = stored(cloud)
    (cloud.faults / "throttle-0002").unlink()
    assert start(cloud, TIME, named=True)["status"] == "SUCCEEDED"
    after = stored(cloud)
    changed = {key for key in before if before[key] != after[key]}
    assert {key.split("/")[1] for key in changed} <= {"universe"}
    added = {key.split("/")[1] for key in after.keys() - before.keys()}
    assert added == {"shard=0002"}
    whole = gathered(cloud)
    assert (whole["missing"], whole["published"]) == ([], len(TICKERS))


def test_every_shard_verifies_and_is_what_one_machine_makes_of_it_byte_for_byte(
    cloud: Cloud, tmp_path: Path
) -> None:
    s3, store = cloud.client("s3"), tmp_path / "store"
    for key in stored(cloud):
        inside = key.removeprefix("store/")
        if inside.startswith("universe.json") or inside.partition("/")[2].startswith(BEGUN):
            (store / inside).parent.mkdir(parents=True, exist_ok=True)
            s3.download_file(BUCKET, key, str(store / inside))
    options = ("--universe", UNIVERSE["universe"], "--bars", UNIVERSE["bars"], "--workers", "2")
    ran = cloud.forecaster("run", *options, "--store", str(store))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    for shard in range(SHARDS):
        here = store / f"shard={shard:04}"
        there = f"store/shard={shard:04}/"
        files = {str(path.relative_to(here)): path for path in here.rglob("*") if path.is_file()}
        names = {key.removeprefix(there) for key in stored(cloud, there)}
        assert {name for name in names if name != "announced.json"} == set(files)
        for name, path in files.items():
            body = s3.get_object(Bucket=BUCKET, Key=there + name)["Body"].read()
            assert body == path.read_bytes(), (shard, name)
        verified = cloud.forecaster("verify", "--store", f"s3://{BUCKET}/{there}".rstrip("/"))
        assert verified.returncode == 0, verified.stdout + verified.stderr


def test_athena_reads_all_shards_as_one_table(cloud: Cloud) -> None:
    rows = cloud.ask_athena(
        "SELECT ticker, count(*) FROM forecasts GROUP BY ticker ORDER BY ticker"
    )
    assert rows == [[ticker, "5"] for ticker in TICKERS]
    newest = cloud.ask_athena("SELECT count(*) FROM latest_forecasts WHERE horizon = 1")
    assert newest == [[str(len(TICKERS))]]


def test_the_schedule_starts_the_machine_by_itself(cloud: Cloud) -> None:
    before = stored(cloud)
    scheduler = cloud.client("scheduler")
    deployed = scheduler.get_schedule(Name=f"{NAME}-daily")
    scheduler.create_schedule(
        Name="now",
        ScheduleExpression=f"at({datetime.now(UTC):%Y-%m-%dT%H:%M:%S})",
        FlexibleTimeWindow=deployed["FlexibleTimeWindow"],
        Target=deployed["Target"],
    )
    states = cloud.client("stepfunctions")

    def newest() -> Any:
        listed = states.list_executions(stateMachineArn=MACHINE)["executions"]
        named = [each for each in listed if each["name"][:4].isdigit() and "T" in each["name"][:11]]
        others = [each for each in named if each["executionArn"] != named_by(TIME)]
        return others[0] if others else None

    assert ended(cloud, eventually(newest)["executionArn"])["status"] == "SUCCEEDED"
    record = {key for key in before if "/universe/" not in key}
    after = stored(cloud)
    assert {key: after[key] for key in record} == {key: before[key] for key in record}


def test_the_machine_verifies_every_shard_and_counts_one_that_is_damaged(cloud: Cloud) -> None:
    """ministack names no map run to the next state, so what that makes of the counts is not run."""
    states, s3 = cloud.client("stepfunctions"), cloud.client("s3")

    def verify(time: str) -> tuple[int, int]:
        assert start(cloud, time, verify=True)["status"] == "SUCCEEDED"  # it has begun the other
        ended(cloud, named_by(time))
        (run,) = states.list_map_runs(executionArn=named_by(time))["mapRuns"]
        counts = states.describe_map_run(mapRunArn=run["mapRunArn"])["itemCounts"]
        return counts["succeeded"], counts["failed"]

    assert verify("2026-01-03T12:00:00Z") == (SHARDS, 0)
    key = keys(cloud, "store/shard=0003/forecasts/")[0]
    whole = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    s3.put_object(Bucket=BUCKET, Key=key, Body=whole[:-1] + bytes([whole[-1] ^ 1]))
    assert verify("2026-01-04T12:00:00Z") == (SHARDS - 1, 1)
    s3.put_object(Bucket=BUCKET, Key=key, Body=whole)
    assert verify("2026-01-05T12:00:00Z") == (SHARDS, 0)


CALLS: list[Call] = [
    ("universe", "lambda", "invoke", {"FunctionName": f"{DAILY}:live", "Payload": b"{}"}, ALLOWED),
    ("universe", "lambda", "invoke", {"FunctionName": f"{ON_DEMAND}:live"}, DENIED),
    ("universe", "stepfunctions", "start_execution", {"stateMachineArn": MACHINE}, ALLOWED),
    (
        *("universe", "s3", "get_object"),
        {"Bucket": BUCKET, "Key": f"store/universe/{SESSION}.shards.json"},
        ALLOWED,
    ),
    ("universe", "s3", "get_object", {"Bucket": BUCKET, "Key": "store/universe.json"}, DENIED),
    ("universe", "s3", "put_object", {"Bucket": BUCKET, "Key": "engine/a", "Body": b"{}"}, ALLOWED),
    (
        *("universe", "s3", "put_object"),
        {"Bucket": BUCKET, "Key": "store/universe/a.json", "Body": b"{}"},
        DENIED,
    ),
    ("schedule", "stepfunctions", "start_execution", {"stateMachineArn": MACHINE}, ALLOWED),
    ("schedule", "lambda", "invoke", {"FunctionName": f"{DAILY}:live"}, DENIED),
    ("daily", "s3", "get_object", {"Bucket": LISTS, "Key": "universe.csv"}, ALLOWED),
    ("daily", "s3", "get_object", {"Bucket": LISTS, "Key": "another.csv"}, DENIED),
]


def test_each_role_may_do_its_job_and_nothing_else(cloud: Cloud) -> None:
    assert tried(cloud, CALLS, lambda role: rights_of(cloud, role)) == CALLS
