"""Options that the rules of an account ask for: each off by default, and what it does when on."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.packaged import package, template
from tests.support.template_catalog import TAGS

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
    tables = [one.rpartition("/store/")[2] for one in statements["ReadTheTables"]["Resource"]]
    assert tables == ["forecasts/*", "baselines/*", "scores/*", "bars/*"]
    writing = [sid for sid, one in statements.items() if "Put" in str(one["Action"])]
    assert writing == ["KeepResultsOfQueries"]
    assert statements[writing[0]]["Resource"].endswith("/athena/*")
    assert all(one["Effect"] == "Allow" and one["Resource"] != "*" for one in statements.values())


def test_options_change_nothing_but_what_they_say(off: Any, on: Any) -> None:
    assert on["Resources"].keys() - off["Resources"].keys() - {
        name for name in on["Resources"] if "LambdaVersion" in name
    } == {"Reader"}
