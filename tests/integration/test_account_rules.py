"""Options that the rules of an account ask for: each off by default, and what it does when on."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs

import pytest

from tests.support.aws_account import REGION, lead_to
from tests.support.fault_proxy import Answer, Forward, Sent, fault_proxy
from tests.support.packaged import ROOT, package, require_node, template
from tests.support.template_catalog import TAGS

PROTECT = """
const AccountRules = require('./infra/plugins/account-rules.js');
const Deployed = require('./infra/plugins/deployed.js');
const [protect, region] = process.argv.slice(1);
const serverless = {
  getProvider: () => ({ getRegion: () => region, naming: { getStackName: () => 'forecasts' } }),
  service: { custom: { rules: { protect } }, functions: {} },
};
const { hooks } = new AccountRules(serverless, {}, {}, new Deployed(serverless));
hooks['after:deploy:deploy']();
"""
DONE = (
    b"<UpdateTerminationProtectionResponse><UpdateTerminationProtectionResult><StackId>forecasts"
    b"</StackId></UpdateTerminationProtectionResult></UpdateTerminationProtectionResponse>"
)
BOUNDARY = "arn:aws:iam::123456789012:policy/boundary"
TOPIC = "arn:aws:sns:us-east-1:123456789012:on-call"


@pytest.fixture(scope="module")
def off(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return template(package(tmp_path_factory.mktemp("off")))


@pytest.fixture(scope="module")
def on(tmp_path_factory: pytest.TempPathFactory) -> Any:
    rules = {
        "roleBoundary": BOUNDARY,
        "rolePath": "/teams/forecasts/",
        "alarmTopic": TOPIC,
        "reader": "policy",
        "tags": "team=forecasts,cost-centre=4711",
        "budgetUsd": "0",
    }
    return template(package(tmp_path_factory.mktemp("on"), **rules))


def of(packaged: Any, kind: str) -> dict[str, Any]:
    resources = packaged["Resources"].items()
    return {name: one["Properties"] for name, one in resources if one["Type"] == kind}


def test_every_role_has_the_boundary_and_the_path_or_neither(off: Any, on: Any) -> None:
    assert of(off, "AWS::IAM::Role").keys() == of(on, "AWS::IAM::Role").keys()
    for role in of(off, "AWS::IAM::Role").values():
        assert not {"PermissionsBoundary", "Path"} & role.keys()
    for role in of(on, "AWS::IAM::Role").values():
        assert (role["PermissionsBoundary"], role["Path"]) == (BOUNDARY, "/teams/forecasts/")


def test_every_alarm_tells_the_other_topic_too(off: Any, on: Any) -> None:
    for name, alarm in of(off, "AWS::CloudWatch::Alarm").items():
        told = of(on, "AWS::CloudWatch::Alarm")[name]
        for actions in ("AlarmActions", "OKActions"):
            assert alarm.get(actions, ["Alarms"]) == ["Alarms"]
            if actions in alarm:
                assert told[actions] == ["Alarms", TOPIC]


def test_what_is_deployed_has_our_tags_and_the_account_s(off: Any, on: Any) -> None:
    def tags(packaged: Any) -> dict[str, str]:
        function = packaged["Resources"]["DailyLambdaFunction"]["Properties"]
        return {tag["Key"]: tag["Value"] for tag in function["Tags"]}

    ours = {tag["Key"]: tag["Value"] for tag in TAGS}
    assert tags(off) == ours
    assert tags(on) == {**ours, "team": "forecasts", "cost-centre": "4711"}


def test_no_budget_is_kept_where_it_is_nothing(off: Any, on: Any) -> None:
    for packaged, amount in ((off, 5), (on, 0)):
        assert packaged["Resources"]["Budget"]["Condition"] == "BudgetIsWatched"
        assert float(packaged["Parameters"]["BudgetUsd"]["Default"]) == amount
    assert off["Conditions"]["BudgetIsWatched"] == {"Fn::Not": [{"Fn::Equals": ["BudgetUsd", "0"]}]}


def test_readers_read_tables_and_write_nothing_but_results_of_queries(off: Any, on: Any) -> None:
    assert of(off, "AWS::IAM::ManagedPolicy") == {}
    (policy,) = of(on, "AWS::IAM::ManagedPolicy").values()
    statements = {one["Sid"]: one for one in policy["PolicyDocument"]["Statement"]}
    read = [one.partition(":::")[2] for one in statements["ReadTheTables"]["Resource"]]
    catalog = of(on, "AWS::Glue::Table").values()
    folders = [one["TableInput"]["StorageDescriptor"].get("Location") for one in catalog]
    tables = {f"{folder}*" for folder in folders if folder}
    (compacted,) = {f"s3://{name}" for name in read} ^ tables
    assert compacted.endswith("/store/compact/*")
    writing = [sid for sid, one in statements.items() if "Put" in str(one["Action"])]
    assert writing == ["KeepResultsOfQueries"]
    assert statements[writing[0]]["Resource"].endswith("/athena/*")
    assert all(one["Effect"] == "Allow" and one["Resource"] != "*" for one in statements.values())


def test_options_change_nothing_but_what_they_say(off: Any, on: Any) -> None:
    assert on["Resources"].keys() - off["Resources"].keys() - {
        name for name in on["Resources"] if "LambdaVersion" in name
    } == {"Reader"}


Protect = Callable[[str], list[tuple[str, str, str]]]


@pytest.fixture
def protect(monkeypatch: pytest.MonkeyPatch) -> Iterator[Protect]:
    """Ends a deployment with a value of `protect`; gives what CloudFormation is asked by that."""
    require_node()
    asked: list[dict[str, list[str]]] = []

    def answer(sent: Sent, _: Forward) -> Answer:
        asked.append(parse_qs(sent.body.decode()))
        return Answer(200, DONE, {"Content-Type": "text/xml"})

    with fault_proxy("http://127.0.0.1:9") as formation:
        formation.manner = answer
        lead_to(formation.url, monkeypatch)

        def deploy(value: str) -> list[tuple[str, str, str]]:
            asked.clear()
            subprocess.run(["node", "-e", PROTECT, value, REGION], cwd=ROOT, check=True)
            names = ("Action", "StackName", "EnableTerminationProtection")
            return [(call[names[0]][0], call[names[1]][0], call[names[2]][0]) for call in asked]

        yield deploy


@pytest.mark.parametrize(
    ("value", "asked"),
    [
        ("default", []),
        ("on", [("UpdateTerminationProtection", "forecasts", "true")]),
        ("off", [("UpdateTerminationProtection", "forecasts", "false")]),
    ],
)
def test_a_stack_is_protected_or_let_go_only_where_that_is_said(
    protect: Protect, value: str, asked: Any
) -> None:
    assert protect(value) == asked
