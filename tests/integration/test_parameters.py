"""Parameters of a deployment: their names, their values, and what differs from what is deployed."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.packaged import PREBUILT, ROOT, package, require_node, serverless, template

CHECK = """
const KnownParams = require('./infra/plugins/known-params.js');
const cases = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const said = cases.map(([params, given, stage]) => {
  try {
    const options = { param: given, stage, region: 'us-east-1' };
    new KnownParams({ configurationInput: { params }, classes: { Error } }, options);
    return '';
  } catch (error) {
    return error.message;
  }
});
console.log(JSON.stringify({ said, names: Object.keys(KnownParams.VALUES) }));
"""
COMPARE = """
const ChangedParams = require('./infra/plugins/changed-params.js');
const { before, stage, given } = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const params = { default: { tickers: 'SPY', logDays: 30, alarmEmail: '' }, prod: { logDays: 180 } };
const compiledCloudFormationTemplate = { Metadata: { Other: 1 } };
const serverless = {
  configurationInput: { params },
  getProvider: () => ({ getStage: () => stage }),
  service: { provider: { compiledCloudFormationTemplate } },
};
const said = [];
const deployed = { template: async () => before };
const log = { notice: (text) => said.push(text) };
const plugin = new ChangedParams(serverless, { param: given }, { log }, deployed);
plugin.keep();
plugin.compare().then(() =>
  console.log(JSON.stringify({ said, kept: compiledCloudFormationTemplate.Metadata })));
"""


def node(script: str, document: Any) -> Any:
    require_node()
    done = subprocess.run(
        ["node", "-e", script],
        input=json.dumps(document),
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout)


def written_params() -> dict[str, Any]:
    text = (ROOT / "serverless.yml").read_text().partition("\nplugins:")[0]
    params: dict[str, Any] = yaml.safe_load(text)["params"]
    return params


PARAMS = written_params()
REFUSED = {
    "alarmMail": "desk@example.com", "image": "built", "imageUri": "repository:latest",
    "storage": "keep", "lock": "forever", "lockYears": "0", "sse": "AES256",
    "kmsKey": "alias/mine", "replica": "yes", "replicaBucket": "elsewhere", "signing": "yes",
    "checkBars": "", "canary": "on", "tickers": "SPY;QQQ", "bars": " ",
    "calendar": "NYSE!", "auth": "apikey", "concurrency": "share", "alarmEmail": "desk",
    "alarmTopic": "alarms", "reader": "yes", "roleBoundary": "boundary", "rolePath": "forecasts",
    "tags": "cost centre", "protect": "yes", "digest": "email", "budgetUsd": "five",
    "logDays": "31", "apiKeySha256": "c0ffee", "front": "on", "domain": "https://a.example",
    "certificate": "arn:aws:acm:eu-west-1:1:certificate/c", "waf": "on", "webAcl": "arn:aws:waf",
    "originSha256": "c0ffee", "universe": "universe.csv", "shards": "0", "shardConcurrency": "many",
    "rate": "0", "renamed": "META",
}  # fmt: skip
TAKEN = {
    "image": "prebuilt", "imageUri": "r.example/n@sha256:" + "a" * 64, "storage": "kept",
    "lock": "compliance", "lockYears": "99", "sse": "kms",
    "kmsKey": "arn:aws:kms:us-east-1:1:key/k", "replica": "bucket",
    "replicaBucket": "arn:aws:s3:::elsewhere", "signing": "ssm", "checkBars": "none",
    "canary": "tenth", "tickers": "^VIX, BRK-B,SIE.DE",
    "bars": "simulated", "calendar": "XLON", "auth": "iam", "concurrency": "shared",
    "alarmEmail": "desk@example.com", "digest": "mail", "budgetUsd": "12.5", "logDays": "365",
    "apiKeySha256": "a" * 64 + "," + "b" * 64, "front": "cloudfront",
    "certificate": "arn:aws:acm:us-east-1:1:certificate/c",
    "webAcl": "arn:aws:wafv2:us-east-1:1:global/webacl/n/i", "originSha256": "a" * 64,
    "universe": "s3://lists/us/universe.csv", "shards": "40", "shardConcurrency": "20",
    "rate": "6000", "renamed": "FB=SPY, A.B=QQQ",
}  # fmt: skip
# What a value asks of others, and a set of parameters that lacks it.
TOGETHER = {
    "image=prebuilt": ["imageUri", "r.example/n@sha256:" + "a" * 64],
    "sse=kms": ["kmsKey", TAKEN["kmsKey"]],
    "replica=bucket": ["replicaBucket", TAKEN["replicaBucket"]],
}
APART = [
    *([pair] for pair in TOGETHER),
    ["replica=bucket", "replicaBucket=arn:aws:s3:::elsewhere", "storage=kept"],
    [
        "replica=bucket",
        "replicaBucket=arn:aws:s3:::elsewhere",
        "sse=kms",
        f"kmsKey={TAKEN['kmsKey']}",
    ],
    ["front=cloudfront", "auth=iam"],
    ["domain", "domain=a.example", "front=cloudfront"],
    ["domain", "domain=a.example", f"certificate={TAKEN['certificate']}"],
    ["renamed", "renamed=FB=META"],
    ["renamed", "renamed=QQQ=SPY"],
    ["renamed", "renamed=FB=SPY", "universe=s3://lists/us/universe.csv"],
    ["waf=rate"],
    ["waf=given", "front=cloudfront"],
    ["waf=given", f"webAcl={TAKEN['webAcl']}"],
]


@pytest.fixture(scope="module")
def checked() -> Any:
    cases = [[PARAMS, [f"{name}={value}"], "dev"] for name, value in {**REFUSED}.items()]
    for name, value in TAKEN.items():
        pair = f"{name}={value}"
        cases += [[PARAMS, [pair, "=".join(TOGETHER[pair])] if pair in TOGETHER else [pair], "dev"]]
    cases += [[{"default": {}, "dev": {"concurrency": "share"}}, [], "dev"]]
    cases += [[PARAMS, [], stage] for stage in ("dev", "prod")]
    cases += [[PARAMS, [pair for pair in given if "=" in pair], "dev"] for given in APART]
    return node(CHECK, cases)


@pytest.mark.parametrize("name", REFUSED)
def test_a_value_that_cannot_be_is_refused_in_a_line_that_says_what_can(
    checked: Any, name: str
) -> None:
    said = checked["said"][list(REFUSED).index(name)]
    assert said.startswith("--param: ")
    assert "expected " in said
    assert f"got {name}" in said or f"{name}: expected" in said


@pytest.mark.parametrize("name", TAKEN)
def test_a_value_that_can_be_is_taken(checked: Any, name: str) -> None:
    assert checked["said"][len(REFUSED) + list(TAKEN).index(name)] == ""


def test_what_serverless_yml_says_itself_is_checked_too(checked: Any) -> None:
    own, *ours = checked["said"][len(REFUSED) + len(TAKEN) : -len(APART)]
    assert own == '--param: concurrency: expected any of reserved, shared, got "share"'
    assert ours == ["", ""]


@pytest.mark.parametrize("number", range(len(APART)))
def test_values_that_go_together_with_others_only_are_refused_without(
    checked: Any, number: int
) -> None:
    said = checked["said"][number - len(APART)]
    assert said.startswith(f"--param: {APART[number][0]}: expected ")


def test_no_parameter_is_without_a_rule(checked: Any) -> None:
    """A new one gets a rule in infra/plugins/known-params.js, and a value in both tables here."""
    assert {*PARAMS["default"], "apiKeySha256"} <= set(checked["names"])


def test_nothing_is_packaged_with_a_value_that_cannot_be(tmp_path: Path) -> None:
    done = serverless(
        *("package", "--package", str(tmp_path)),
        stage="dev",
        params={**PREBUILT, "concurrency": "share"},
        environ={},
    )
    assert done.returncode == 1
    assert "concurrency: expected any of reserved, shared" in done.stdout + done.stderr


def compare(before: Mapping[str, str] | None, stage: str, *given: str) -> Any:
    deployed = None if before is None else {"Metadata": {"Params": before}}
    return node(COMPARE, {"before": deployed, "stage": stage, "given": list(given)})


def test_what_reverts_to_its_default_is_said_before_it_is_deployed() -> None:
    before = {"tickers": "QQQ", "logDays": "30", "alarmEmail": "desk@example.com"}
    done = compare(before, "dev")
    assert done["said"] == [
        "Parameters change: tickers QQQ -> SPY; alarmEmail desk@example.com -> nothing"
    ]
    assert done["kept"] == {
        "Other": 1,
        "Params": {"tickers": "SPY", "logDays": "30", "alarmEmail": ""},
    }


def test_where_nothing_changes_that_is_said_and_a_first_deployment_says_nothing() -> None:
    same = {"tickers": "QQQ", "logDays": "180", "alarmEmail": ""}
    done = compare(same, "prod", "tickers=QQQ", "apiKeySha256=" + "a" * 64)
    assert done["said"] == ["Parameters are those that are deployed"]
    assert done["kept"]["Params"] == same
    assert compare(None, "prod")["said"] == []


def test_the_template_keeps_them_for_the_next_deployment(tmp_path: Path) -> None:
    packaged = template(package(tmp_path, "prod", tickers="QQQ"))
    params = packaged["Metadata"]["Params"]
    assert set(params) == set(PARAMS["default"])
    assert (params["tickers"], params["logDays"]) == ("QQQ", "180")
