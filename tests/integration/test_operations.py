"""What changes a deployment, against a real API on loopback; whole deployments are in tests/e2e."""

from __future__ import annotations

import io
import json
import urllib.request
import zipfile
from collections.abc import Iterator
from typing import Any

import boto3.session
import pytest

from pipeline.serving.api_keys import digest_key
from tests.support.aws_account import aws_account
from tests.support.commands import Forecaster

FUNCTION = "financial-forecaster-dev-daily"
SCHEDULE = "financial-forecaster-dev-schedule"
ROLE = "arn:aws:iam::123456789012:role/any"
TRUST = {
    "Effect": "Allow",
    "Principal": {"Service": "lambda.amazonaws.com"},
    "Action": "sts:AssumeRole",
}


def resource(kind: str, **properties: Any) -> dict[str, Any]:
    """A resource that the fake does not make: it makes no schedules, and no functions either."""
    return {"Type": kind, "Condition": "Never", "Properties": properties}


STACK = {
    "Conditions": {"Never": {"Fn::Equals": ["yes", "no"]}},
    "Resources": {
        "Topic": {"Type": "AWS::SNS::Topic"},
        "Daily": resource("AWS::Lambda::Function", FunctionName=FUNCTION),
        "Schedule": resource("AWS::Scheduler::Schedule", Name=SCHEDULE, State="ENABLED"),
        "Alarm": resource("AWS::CloudWatch::Alarm", AlarmName="financial-forecaster-dev-errors"),
    },
}


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Gives the address of an empty account, which the environment leads to."""
    with aws_account(monkeypatch) as url:
        urllib.request.urlopen(urllib.request.Request(f"{url}/moto-api/reset", b"")).close()
        yield url


SESSION = boto3.session.Session()  # one, that reads each service's model once


def client(service: str) -> Any:
    return SESSION.client(service, region_name="eu-west-1")


def test_a_deployment_without_reserved_concurrency_resumes_without(
    forecaster: Forecaster,
) -> None:
    client("cloudformation").create_stack(
        StackName="financial-forecaster-dev", TemplateBody=json.dumps(STACK)
    )
    client("scheduler").create_schedule(
        Name=SCHEDULE,
        ScheduleExpression="rate(1 day)",
        ScheduleExpressionTimezone="America/New_York",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": ROLE, "RoleArn": ROLE, "RetryPolicy": {"MaximumRetryAttempts": 5}},
    )
    role = client("iam").create_role(
        RoleName="any", AssumeRolePolicyDocument=json.dumps({"Statement": [TRUST]})
    )
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("index.py", "handler = print")
    client("lambda").create_function(
        FunctionName=FUNCTION,
        Role=role["Role"]["Arn"],
        Runtime="python3.13",
        Handler="index.handler",
        Code={"ZipFile": code.getvalue()},
    )

    def state() -> tuple[Any, Any]:
        schedule = client("scheduler").get_schedule(Name=SCHEDULE)
        kept = (schedule["ScheduleExpressionTimezone"], schedule["Target"]["RetryPolicy"])
        assert kept == ("America/New_York", {"MaximumRetryAttempts": 5})
        function = client("lambda").get_function_concurrency(FunctionName=FUNCTION)
        return schedule["State"], function.get("ReservedConcurrentExecutions")

    assert state() == ("ENABLED", None)
    assert forecaster("pause").code == 0
    assert state() == ("DISABLED", 0)
    assert forecaster("resume").code == 0
    assert state() == ("ENABLED", None)


@pytest.mark.parametrize("command", ["pause", "resume", "rollback"])
def test_what_is_not_deployed_is_said_in_one_line(forecaster: Forecaster, command: str) -> None:
    answer = forecaster(command, "--stage", "nowhere")
    assert answer.code == 1
    assert "financial-forecaster nowhere in eu-west-1: expected to" in answer.err
    assert "got ClientError" in answer.err
    assert "Traceback" not in answer.err


def test_a_rotated_key_is_kept_encrypted_and_the_one_before_stays_accepted(
    forecaster: Forecaster,
) -> None:
    ssm, path = client("ssm"), "/financial-forecaster/prod/api-key"
    made = []
    for _ in range(3):
        answer = forecaster("api-key", "rotate", "--stage", "prod", "--json")
        kept = ssm.get_parameter(Name=path, WithDecryption=True)["Parameter"]
        assert kept["Type"] == "SecureString"
        assert json.loads(answer.out) == {"key": kept["Value"], "parameter": path}
        made.append(kept["Value"])
    digests = ssm.get_parameter(Name=f"{path}-sha256")["Parameter"]["Value"]
    assert digests == f"{digest_key(made[2])},{digest_key(made[1])}"


def test_what_cloudfront_sends_is_known_to_the_version_before_and_to_the_next(
    forecaster: Forecaster,
) -> None:
    ssm, path = client("ssm"), "/financial-forecaster/prod/origin-secret"

    def kept(name: str = "") -> str:
        return str(ssm.get_parameter(Name=path + name)["Parameter"]["Value"])

    known, sent = [], []
    for _ in range(4):
        answer = forecaster("origin-secret", "--stage", "prod", "--json")
        assert json.loads(answer.out) == {"parameter": path}
        known.append(kept("-sha256").split(","))
        sent.append(digest_key(kept()))
        assert known[-1][-1] == sent[-1]
        assert digest_key(kept("-next")) == known[-1][0]
    assert len({*sent}) == 3
    for before, now in zip(known, sent[1:], strict=False):
        assert now in before
