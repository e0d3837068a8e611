"""A rollback says where it goes and asks, against a real API on loopback; see tests/e2e too."""

from __future__ import annotations

import io
import json
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import boto3.session
import pytest
from moto.core.config import default_user_config

from pipeline.cli import deployment
from tests.support.aws_account import REGION, aws_account
from tests.support.commands import Forecaster

STACK = "financial-forecaster-dev"
DAILY, ON_DEMAND = f"{STACK}-daily", f"{STACK}-on-demand"
TRUST = {
    "Effect": "Allow",
    "Principal": {"Service": "lambda.amazonaws.com"},
    "Action": "sts:AssumeRole",
}
FIRST, SECOND, THIRD = "a" * 64, "b" * 64, "c" * 64
HEALTHY = {"statusCode": 200, "body": json.dumps({"status": "ok", "model_version": "2026-11-01-x"})}
SESSION = boto3.session.Session()


Deploy = Callable[..., None]


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An account with the stack, whose functions nobody has made yet; gives its address."""
    monkeypatch.setitem(default_user_config, "lambda", {"use_docker": False})
    with aws_account(monkeypatch) as url:
        urllib.request.urlopen(urllib.request.Request(f"{url}/moto-api/reset", b"")).close()
        never = {"Never": {"Fn::Equals": ["yes", "no"]}}
        functions = {
            name: {
                "Type": "AWS::Lambda::Function",
                "Condition": "Never",
                "Properties": {"FunctionName": function},
            }
            for name, function in {"Daily": DAILY, "OnDemand": ON_DEMAND}.items()
        }
        topic = {"Topic": {"Type": "AWS::SNS::Topic"}}
        body = json.dumps({"Conditions": never, "Resources": topic | functions})
        client("cloudformation").create_stack(StackName=STACK, TemplateBody=body)
        yield url


def client(service: str) -> Any:
    return SESSION.client(service, region_name=REGION)


@pytest.fixture
def deploy(aws: str) -> Deploy:
    """Publishes versions of both functions with these settings, and moves `live` there."""
    role = client("iam").create_role(
        RoleName="any", AssumeRolePolicyDocument=json.dumps({"Statement": [TRUST]})
    )["Role"]["Arn"]
    known: dict[str, str] = {}

    def publish(function: str, settings: dict[str, str]) -> str:
        functions, variables = client("lambda"), {"Variables": settings}
        if function not in known:
            code = io.BytesIO()
            with zipfile.ZipFile(code, "w") as archive:
                archive.writestr("index.py", "handler = print")
            functions.create_function(
                FunctionName=function, Role=role, Runtime="python3.13", Handler="index.handler",
                Code={"ZipFile": code.getvalue()}, Environment=variables,
            )  # fmt: skip
        else:
            functions.update_function_configuration(FunctionName=function, Environment=variables)
        return str(functions.publish_version(FunctionName=function)["Version"])

    def move(function: str, version: str) -> None:
        functions = client("lambda")
        alias = {"FunctionName": function, "Name": "live", "FunctionVersion": version}
        if function in known:
            note = f"before the last deployment: {known[function]}"
            functions.update_alias(**alias, Description=note)
        else:
            functions.create_alias(**alias)
        known[function] = version

    def run(tickers: str, auth: str = "api-key", keys: str = FIRST, **others: str) -> None:
        on_demand = {"FORECASTER_AUTH": auth, "FORECASTER_API_KEY_SHA256": keys, **others}
        move(DAILY, publish(DAILY, {"FORECASTER_TICKERS": tickers}))
        move(ON_DEMAND, publish(ON_DEMAND, on_demand))

    return run


def answer_invocations(url: str, *answers: Any) -> None:
    """Let the functions answer so, one after the other."""
    results = {"results": [json.dumps(answer) for answer in answers], "region": REGION}
    urllib.request.urlopen(
        urllib.request.Request(
            f"{url}/moto-api/static/lambda-simple/response",
            json.dumps(results).encode(),
            {"Content-Type": "application/json"},
        )
    ).close()


def live() -> list[str]:
    aliases = [client("lambda").get_alias(FunctionName=f, Name="live") for f in (DAILY, ON_DEMAND)]
    return [alias["FunctionVersion"] for alias in aliases]


def test_it_says_what_it_goes_back_to_and_asks_first(
    forecaster: Forecaster, deploy: Deploy, aws: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy("SPY", keys=FIRST)
    deploy("SPY,QQQ", keys=f"{SECOND},{FIRST}")
    deploy("QQQ", keys=SECOND)
    answer_invocations(aws, HEALTHY, HEALTHY)
    answer = forecaster("rollback")
    assert (answer.code, live()) == (2, ["3", "3"])
    assert "--yes says it" in answer.err
    for told in (
        f"{DAILY}: version 3 -> 2",
        f"{ON_DEMAND}: version 3 -> 2",
        "FORECASTER_TICKERS QQQ -> SPY,QQQ",
        "model 2026-11-01-x, as now",
        f"WARNING: the key with SHA-256 {FIRST[:12]}... opens again, which is revoked now",
    ):
        assert told in answer.out, told
    assert SECOND[:12] not in answer.out
    for says, expected in ((False, ["3", "3"]), (True, ["2", "2"])):
        answer_invocations(aws, HEALTHY, HEALTHY)
        monkeypatch.setattr(deployment, "_ask", lambda _, says=says: says)
        assert forecaster("rollback").code == (0 if says else 1)
        assert live() == expected


def test_a_second_one_goes_forward_again_and_programs_are_told_all(
    forecaster: Forecaster, deploy: Deploy, aws: str
) -> None:
    deploy("SPY")
    deploy("QQQ")
    document = json.loads(forecaster("rollback", "--yes", "--json").out)
    assert live() == ["1", "1"]
    assert document[DAILY]["from"]["settings"] == {"FORECASTER_TICKERS": "QQQ"}
    assert document[DAILY]["to"] == {
        "version": "1", "image": None, "model": None, "settings": {"FORECASTER_TICKERS": "SPY"},
    }  # fmt: skip
    assert forecaster("rollback", "--yes").code == 0
    assert live() == ["2", "2"]


AUTHS = ("api-key", "iam", "none")


@pytest.mark.parametrize("live_auth", AUTHS)
@pytest.mark.parametrize("auth_before", AUTHS)
def test_no_rollback_lets_in_others_than_the_url_does(
    forecaster: Forecaster, deploy: Deploy, auth_before: str, live_auth: str
) -> None:
    deploy("SPY", auth=auth_before)
    deploy("QQQ", auth=live_auth)
    answer = forecaster("rollback", "--yes")
    if auth_before == live_auth:
        assert (answer.code, live()) == (0, ["1", "1"])
    else:
        assert (answer.code, live()) == (1, ["2", "2"])
        assert f"deploy it with --param=auth={auth_before}" in answer.err


def test_where_nothing_would_move_that_is_an_error_and_not_a_success(
    forecaster: Forecaster, deploy: Deploy
) -> None:
    deploy("SPY")
    deploy("QQQ")
    for function in (DAILY, ON_DEMAND):
        client("lambda").update_alias(FunctionName=function, Name="live", FunctionVersion="1")
    answer = forecaster("rollback", "--yes")
    assert (answer.code, live()) == (1, ["1", "1"])
    assert "there is nothing to go back to" in answer.err


def test_after_a_first_deployment_there_is_nothing_to_go_back_to(
    forecaster: Forecaster, deploy: Deploy
) -> None:
    deploy("SPY")
    answer = forecaster("rollback", "--yes")
    assert (answer.code, live()) == (1, ["1", "1"])
    assert "expected a deployment before" in answer.err


def test_what_a_broken_off_deployment_shares_is_shared_no_longer(
    forecaster: Forecaster, deploy: Deploy, aws: str
) -> None:
    deploy("SPY")
    deploy("QQQ")
    routing = {"AdditionalVersionWeights": {"1": 0.1}}
    client("lambda").update_alias(FunctionName=ON_DEMAND, Name="live", RoutingConfig=routing)
    answer_invocations(aws, HEALTHY, HEALTHY)
    assert forecaster("rollback", "--yes").code == 0
    alias = client("lambda").get_alias(FunctionName=ON_DEMAND, Name="live")
    assert not alias.get("RoutingConfig", {}).get("AdditionalVersionWeights")


@pytest.mark.parametrize(
    ("before", "live_now", "goes"),
    [
        (None, "none", True),
        ("none", FIRST, False),  # the URL would answer past CloudFront and its rules
        (FIRST, "none", False),  # nobody sends any more what it would ask for
        (FIRST, f"{SECOND},{FIRST}", True),
        (f"{SECOND},{FIRST}", f"{THIRD},{SECOND}", True),
        (FIRST, f"{THIRD},{SECOND}", False),
    ],
)
def test_it_goes_to_no_version_that_does_not_know_what_cloudfront_sends(
    forecaster: Forecaster, deploy: Deploy, aws: str, before: str | None, live_now: str, goes: bool
) -> None:
    deploy("SPY", **({} if before is None else {"FORECASTER_ORIGIN_SHA256": before}))
    deploy("QQQ", FORECASTER_ORIGIN_SHA256=live_now)
    answer_invocations(aws, HEALTHY, HEALTHY)
    answer = forecaster("rollback", "--yes")
    assert (answer.code, live()) == ((0, ["1", "1"]) if goes else (1, ["2", "2"]))
    assert ("A rollback leaves CloudFront as it is" in answer.err) != goes
