"""A whole deployment, from `make deploy` to `serverless remove`, on AWS on this machine.

Functions run in Lambda's real runtime with the variables and the rights they were deployed with.
The tests are in the order of a deployment's life, and share it.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import botocore.exceptions
import pyarrow.parquet as pq
import pytest

from tests.e2e.cloud import ACCOUNT, BUCKET, NAME, REGION, Cloud, eventually
from tests.e2e.deployment import (
    DAILY,
    ON_DEMAND,
    VERIFY,
    alias,
    deployed_cloud,
    invoke,
    kept_key,
    keys,
    request,
)
from tests.e2e.rights import (
    ANEW,
    BODY,
    CALLS,
    VINTAGE,
    anything_goes,
    published_calls,
    rights_of,
    tried,
)
from tests.support.builders import bar_rows, bars, raw_bars, window_rows
from tests.support.template_store import OVERWRITTEN

pytestmark = [pytest.mark.slow, pytest.mark.emulator]

TICKERS = ["DIA", "IWM", "QQQ", "SPY"]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """The cloud, with a key made and the forecaster deployed as a user would."""
    with deployed_cloud(tmp_path_factory.mktemp("cloud")) as started:
        yield started


def published(cloud: Cloud) -> dict[str, Any]:
    """The newest run's forecasts, as columns."""
    newest = max(keys(cloud, "store/forecasts/"))
    stored = cloud.client("s3").get_object(Bucket=BUCKET, Key=newest)["Body"].read()
    columns: dict[str, Any] = pq.read_table(io.BytesIO(stored)).to_pydict()
    return columns


def test_the_schedule_fires_by_itself_and_parquet_lands_in_the_bucket(cloud: Cloud) -> None:
    s3, scheduler = cloud.client("s3"), cloud.client("scheduler")
    for key in keys(cloud):
        s3.delete_object(Bucket=BUCKET, Key=key)
    deployed = scheduler.get_schedule(Name=f"{NAME}-daily")
    assert deployed["State"] == "ENABLED"
    scheduler.create_schedule(
        Name="now",
        ScheduleExpression=f"at({datetime.now(UTC):%Y-%m-%dT%H:%M:%S})",
        FlexibleTimeWindow=deployed["FlexibleTimeWindow"],
        Target=deployed["Target"],
    )
    (manifest,) = eventually(lambda: keys(cloud, "store/runs/"))
    forecasts = published(cloud)
    assert forecasts["origin_date"][0].isoformat() in manifest
    assert sorted(set(forecasts["ticker"])) == TICKERS
    assert set(forecasts["status"]) == {"ok"}
    eventually(lambda: [key for key in keys(cloud) if key.endswith("/latest.json")])


def test_the_queries_that_wait_in_athena_answer_from_what_was_published(cloud: Cloud) -> None:
    athena = cloud.client("athena")
    waiting = {
        (query := athena.get_named_query(NamedQueryId=one)["NamedQuery"])["Name"]: query
        for one in athena.list_named_queries(WorkGroup=NAME)["NamedQueryIds"]
    }
    answers = {
        name.removeprefix(f"{NAME}-"): cloud.ask_athena(query["QueryString"])
        for name, query in waiting.items()
    }
    forecasts = published(cloud)
    expected = [
        [ticker, prediction, lower, upper]
        for ticker, horizon, prediction, lower, upper in zip(
            *(
                forecasts[name]
                for name in ("ticker", "horizon", "prediction", "lower_95", "upper_95")
            ),
            strict=True,
        )
        if horizon == 1
    ]
    latest = [[row[0], *map(float, row[4:])] for row in answers["latest-forecasts"]]
    assert latest == sorted(expected)
    assert len(answers["bars-of-a-run"]) == 100
    assert answers["withheld"] == []
    assert bool(answers["beside-baselines"]) == bool(keys(cloud, "store/baselines/"))
    assert len(answers) == 6


@pytest.fixture(scope="module")
def key(cloud: Cloud) -> str:
    """The API key, read from where it is kept."""
    return kept_key(cloud)


WINDOW = {"data": window_rows(bars())}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/predict", WINDOW),
        ("POST", "/predict", {"bars": bar_rows(raw_bars())}),
        ("POST", "/predict", {"ticker": "SPY"}),
        ("POST", "/", WINDOW),
        ("GET", "/forecasts", None),
        ("GET", "/forecasts/SPY", None),
    ],
    ids=["data", "bars", "ticker", "root", "forecasts", "one forecast"],
)
def test_the_url_answers_whoever_has_the_key_and_401_to_others(
    cloud: Cloud, key: str, method: str, path: str, body: Any
) -> None:
    status, headers, document = request(cloud, method, path, body, X_API_Key=key)
    assert (status, headers["content-type"]) == (200, "application/json"), document
    assert document
    for refused in ({}, {"X_API_Key": "fcast_of-another"}):
        status, headers, document = request(cloud, method, path, body, **refused)
        assert (status, headers["content-type"]) == (401, "application/problem+json")
        assert "X-API-Key" in document["detail"]


def test_the_url_answers_with_what_the_daily_run_published(cloud: Cloud, key: str) -> None:
    _, _, answer = request(cloud, "POST", "/predict", {"ticker": "SPY"}, X_API_Key=key)
    forecasts = published(cloud)
    (row,) = [
        one
        for one, ticker in enumerate(forecasts["ticker"])
        if ticker == "SPY" and forecasts["horizon"][one] == 1
    ]
    interval = [forecasts["lower_95"][row], forecasts["upper_95"][row]]
    assert answer["prediction"] == pytest.approx(forecasts["prediction"][row], abs=0.01)
    assert answer["interval_95"] == pytest.approx(interval, abs=0.01)


def test_anybody_may_ask_how_to_ask_and_any_page_may(cloud: Cloud) -> None:
    # And for a sign of life, but /health ministack answers itself.
    assert request(cloud, "GET", "/openapi.json")[2]["openapi"].startswith("3.1")
    status, headers, _ = request(cloud, "OPTIONS", "/predict", Origin="https://example.com")
    assert (status, headers["access-control-allow-origin"]) == (204, "*")


def test_a_bare_invocation_is_answered_like_a_request(cloud: Cloud) -> None:
    answer = invoke(cloud, ON_DEMAND, {"body": json.dumps(WINDOW)})
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"])["horizon"] == 1


def test_alarms_watch_what_the_functions_really_tell(cloud: Cloud) -> None:
    watch = cloud.client("cloudwatch")
    alarms = {one["MetricName"]: one for one in watch.describe_alarms()["MetricAlarms"]}
    told = {(one["MetricName"], names(one)) for one in watch.list_metrics()["Metrics"]}
    for metric in ("session_complete", "data_lag_sessions", "record_intact", "Errors", "Duration"):
        assert (metric, names(alarms[metric])) in told
    assert alarms["session_complete"]["StateValue"] == "OK"
    assert alarms["record_intact"]["StateValue"] == "OK"


def names(metric: Any) -> frozenset[tuple[str, str]]:
    """The dimensions of a metric."""
    return frozenset((one["Name"], one["Value"]) for one in metric["Dimensions"])


def test_what_is_deployed_is_tagged_by_service_and_stage(cloud: Cloud) -> None:
    (stack,) = cloud.client("cloudformation").describe_stacks(StackName=NAME)["Stacks"]
    tags = {tag["Key"]: tag["Value"] for tag in stack["Tags"]}
    expected = {"service": "financial-forecaster", "stage": "dev"}
    assert expected.items() <= tags.items()


def topic_arn(name: str) -> str:
    return f"arn:aws:sns:{REGION}:{ACCOUNT}:{NAME}-{name}"


def new_queue(cloud: Cloud, name: str) -> tuple[str, str]:
    """Make a queue that topics and rules may send to; gives its URL and ARN."""
    address = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
    services = {"Service": ["sns.amazonaws.com", "events.amazonaws.com"]}
    may = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": address}
    policy = json.dumps({"Statement": [may | {"Principal": services}]})
    sqs = cloud.client("sqs")
    return sqs.create_queue(QueueName=name, Attributes={"Policy": policy})["QueueUrl"], address


def received(cloud: Cloud, queue: str) -> list[Any]:
    """The messages that wait in a queue."""
    answered = cloud.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
    return [json.loads(message["Body"]) for message in answered.get("Messages", ())]


def test_others_are_told_of_what_was_published(cloud: Cloud) -> None:
    """A run that finds no note of having told tells again: so this test need not be the first."""
    events, s3 = cloud.client("events"), cloud.client("s3")
    programs, at = new_queue(cloud, "programs")
    people, mailbox = new_queue(cloud, "people")
    pattern = {"source": ["financial-forecaster"], "detail": {"mode": ["live"]}}
    events.put_rule(Name="waiting", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="waiting", Targets=[{"Id": "programs", "Arn": at}])
    cloud.client("sns").subscribe(TopicArn=topic_arn("digests"), Protocol="sqs", Endpoint=mailbox)
    s3.delete_object(Bucket=BUCKET, Key="store/announced.json")
    answer = invoke(cloud, DAILY, {})
    (event,) = eventually(lambda: received(cloud, programs))
    assert event["detail-type"] == "Forecasts published"
    manifest = event["detail"]["manifest"]
    assert answer["manifests"][manifest["key"]] == manifest["sha256"]
    assert event["detail"]["store"] == f"s3://{BUCKET}/store"
    (mail,) = eventually(lambda: received(cloud, people))
    assert mail["Subject"] == f"Forecasts published: {answer['session']}"
    assert mail["Message"] == event["detail"]["digest"]
    assert invoke(cloud, DAILY, {})["outcome"] == "nothing_to_do"
    assert received(cloud, programs) == []


def test_a_run_that_fails_in_every_attempt_is_a_dead_letter_and_an_alarm_tells(
    cloud: Cloud,
) -> None:
    sqs, sns = cloud.client("sqs"), cloud.client("sns")
    mail, address = new_queue(cloud, "mail")
    sns.subscribe(TopicArn=topic_arn("alarms"), Protocol="sqs", Endpoint=address)

    invoke(cloud, DAILY, {"time": "soon"}, InvocationType="Event")

    dead = sqs.get_queue_url(QueueName=f"{NAME}-dead-letters")["QueueUrl"]
    (letter,) = eventually(lambda: received(cloud, dead))
    assert letter["requestPayload"] == {"time": "soon"}
    assert letter["responsePayload"]["errorType"] == "RequestError"
    told: set[str] = set()

    def everybody_told() -> bool:
        told.update(json.loads(body["Message"])["AlarmName"] for body in received(cloud, mail))
        return {f"{NAME}-dead-letters", f"{NAME}-daily-errors"} <= told

    eventually(everybody_told)


def test_each_role_may_do_its_job_and_nothing_else(cloud: Cloud) -> None:
    # Under its role the daily function has published already, and the schedule has started it.
    cloud.client("s3").put_object(**VINTAGE, **BODY)
    assert tried(cloud, CALLS, lambda role: rights_of(cloud, role)) == CALLS
    for written in (VINTAGE, ANEW):
        cloud.client("s3").delete_object(**written)


def test_what_is_published_is_locked_and_the_bucket_s_rules_hold_for_everybody(
    cloud: Cloud,
) -> None:
    s3 = cloud.client("s3")
    stored = {key: s3.head_object(Bucket=BUCKET, Key=key) for key in keys(cloud)}
    modes = {key.removeprefix("store/"): head.get("ObjectLockMode") for key, head in stored.items()}
    assert {modes.pop(name) for name in OVERWRITTEN} == {None}
    assert set(modes.values()) == {"GOVERNANCE"}
    (manifest,) = [key for key in stored if "/runs/" in key]
    version = {"Bucket": BUCKET, "Key": manifest, "VersionId": stored[manifest]["VersionId"]}
    calls = published_calls(version)
    assert tried(cloud, calls, lambda name: anything_goes(cloud, name)) == calls


def test_the_record_is_verified_and_a_false_version_is_told_of_until_it_is_taken_away(
    cloud: Cloud,
) -> None:
    s3 = cloud.client("s3")
    invoke(cloud, DAILY, {})
    assert invoke(cloud, VERIFY, {})["findings"] == []
    (forecasts,) = keys(cloud, "store/forecasts/")
    false = s3.put_object(Bucket=BUCKET, Key=forecasts, Body=b"false")["VersionId"]
    answer = invoke(cloud, VERIFY, {})
    assert answer["errorType"] == "RecordDamaged"
    assert f"changed {forecasts.removeprefix('store/')}" in answer["errorMessage"]
    s3.delete_object(Bucket=BUCKET, Key=forecasts, VersionId=false, BypassGovernanceRetention=True)
    assert invoke(cloud, VERIFY, {})["findings"] == []


def test_a_rollback_points_back_and_the_next_deployment_forward(cloud: Cloud) -> None:
    first = alias(cloud, DAILY)
    assert cloud.serverless("deploy", tickers="SPY").returncode == 0
    second = alias(cloud, DAILY)
    assert int(second) > int(first)
    asked = cloud.make("rollback", "STAGE=dev")
    assert "--yes says it" in asked.stderr
    assert alias(cloud, DAILY) == second
    back = cloud.make("rollback", "STAGE=dev", "YES=1")
    assert f"{DAILY}: version {second} -> {first}\n" in back.stdout, back.stdout + back.stderr
    assert "FORECASTER_TICKERS SPY -> SPY,QQQ,DIA,IWM" in back.stdout
    assert alias(cloud, DAILY) == first
    failed = cloud.serverless("deploy", budgetUsd="404")  # CloudFormation fails
    assert failed.returncode == 1
    assert alias(cloud, DAILY) == first
    assert cloud.serverless("deploy", tickers="SPY").returncode == 0
    assert alias(cloud, DAILY) == second


def test_a_deployment_that_does_not_answer_fails_and_what_ran_before_goes_on(
    cloud: Cloud,
) -> None:
    before = alias(cloud, DAILY)
    done = cloud.serverless("deploy", bars="/nowhere")
    assert done.returncode == 1
    assert "The smoke test failed" in done.stdout
    assert "FORECASTER_BARS: expected" in done.stdout
    assert alias(cloud, DAILY) == before
    assert invoke(cloud, DAILY, {})["outcome"] == "nothing_to_do"


def test_a_paused_deployment_does_nothing_until_it_is_resumed(cloud: Cloud) -> None:
    functions, scheduler = cloud.client("lambda"), cloud.client("scheduler")
    schedules = [
        f"{NAME}-{one}" for one in ("daily", "evening-catch-up", "morning-catch-up", "verify")
    ]

    def state() -> tuple[list[int], set[str], set[bool]]:
        reserved = [
            functions.get_function_concurrency(FunctionName=name)["ReservedConcurrentExecutions"]
            for name in (DAILY, ON_DEMAND, VERIFY)
        ]
        enabled = {scheduler.get_schedule(Name=name)["State"] for name in schedules}
        alarms = cloud.client("cloudwatch").describe_alarms()["MetricAlarms"]
        return reserved, enabled, {alarm["ActionsEnabled"] for alarm in alarms}

    running = ([2, 5, 1], {"ENABLED"}, {True})
    assert state() == running
    assert cloud.forecaster("pause", "--stage", "dev").returncode == 0
    assert state() == ([0, 0, 0], {"DISABLED"}, {False})
    with pytest.raises(botocore.exceptions.ClientError, match="TooManyRequests"):
        invoke(cloud, DAILY, {})
    targets = [scheduler.get_schedule(Name=name)["Target"] for name in schedules]
    assert cloud.forecaster("resume", "--stage", "dev").returncode == 0
    assert state() == running
    assert targets == [scheduler.get_schedule(Name=name)["Target"] for name in schedules]
    assert invoke(cloud, DAILY, {})["outcome"] == "nothing_to_do"


def test_removing_keeps_the_bucket_and_a_new_deployment_comes_back_to_it(cloud: Cloud) -> None:
    before = keys(cloud)
    assert cloud.serverless("remove").returncode == 0
    with pytest.raises(botocore.exceptions.ClientError, match="not found|does not exist"):
        cloud.client("lambda").get_function(FunctionName=DAILY)
    assert keys(cloud) == before != []
    done = cloud.serverless("deploy", storage="kept")
    assert done.returncode == 0, done.stdout + done.stderr
    assert invoke(cloud, DAILY, {})["outcome"] == "nothing_to_do"
    assert keys(cloud) == before
