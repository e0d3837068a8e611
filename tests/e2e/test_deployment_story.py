"""A deployment changed, broken, taken back, given other keys, paused and opened otherwise.

After every step: exactly those may call who should, `live` is what the command said, and the
record verifies.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.e2e.cloud import BUCKET, NAME, REGION, Cloud
from tests.e2e.deployment import (
    DAILY,
    ON_DEMAND,
    VERIFY,
    alias,
    deployed_cloud,
    host_of_url,
    invoke,
    kept_key,
    request,
)
from tests.e2e.rights import user

pytestmark = [pytest.mark.slow, pytest.mark.emulator]

FUNCTIONS = (DAILY, ON_DEMAND, VERIFY)
MAY_CALL = {"Effect": "Allow", "Action": "lambda:Invoke*", "Resource": "*"}
ASKED = "/forecasts"
Live = dict[str, str]
Done = subprocess.CompletedProcess[str]


@dataclass
class Story:
    """The deployment, everybody who might call it, and the parameters it has."""

    cloud: Cloud
    callers: dict[str, dict[str, str]] = field(default_factory=dict)
    signers: dict[str, dict[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.callers = {"anybody": {}, "guesser": {"X_API_Key": "fcast_of-another"}}
        self.note_key()
        policies = {"friend": {"call": {"Version": "2012-10-17", "Statement": [MAY_CALL]}}}
        for name in ("friend", "stranger"):
            self.signers[name] = user(self.cloud, name, policies.get(name, {}))

    def note_key(self) -> None:
        """Let the newest key be a caller."""
        number = sum(name.startswith("key") for name in self.callers) + 1
        self.callers[f"key {number}"] = {"X_API_Key": kept_key(self.cloud)}

    def who_may_call(self) -> set[str]:
        signed = {name: signature(self.cloud, keys) for name, keys in self.signers.items()}
        asked = {**self.callers, **signed}
        return {
            name
            for name, sent in asked.items()
            if request(self.cloud, "GET", ASKED, **sent)[0] == 200
        }

    def live(self) -> Live:
        return {function: alias(self.cloud, function) for function in FUNCTIONS}

    def expect(self, *callers: str, live: Live) -> None:
        """Fail unless these and no others may call, this is live and the record verifies."""
        assert (self.who_may_call(), self.live()) == (set(callers), live)
        assert invoke(self.cloud, VERIFY, {})["findings"] == []

    def deploy(self, **params: str) -> Live:
        """Deploy well; gives what is live by that, which is what the stack has published."""
        done = self.cloud.serverless("deploy", **params)
        assert done.returncode == 0, done.stdout + done.stderr
        assert self.live() == published(self.cloud)
        return self.live()

    def rotate(self) -> None:
        assert self.cloud.forecaster("api-key", "rotate", "--stage", "dev").returncode == 0
        self.note_key()

    def roll_back(self) -> tuple[Live, str]:
        """Roll back; gives what is live by what the command said, and all that it said."""
        done = self.cloud.make("rollback", "STAGE=dev", "YES=1")
        assert done.returncode == 0, done.stdout + done.stderr
        said = re.findall(r"^(\S+): version \d+ -> (\d+)$", done.stdout, re.MULTILINE)
        return {**self.live(), **dict(said)}, done.stdout


def signature(cloud: Cloud, keys: dict[str, str]) -> dict[str, str]:
    """The headers of a request that somebody with these keys signs."""
    asked = AWSRequest("GET", f"http://{host_of_url(cloud)}{ASKED}")
    credentials = Credentials(keys["aws_access_key_id"], keys["aws_secret_access_key"])
    SigV4Auth(credentials, "lambda", REGION).add_auth(asked)
    return {name.replace("-", "_"): value for name, value in asked.headers.items()}


def published(cloud: Cloud) -> Live:
    """The versions that the stack has published, as its outputs say."""
    (stack,) = cloud.client("cloudformation").describe_stacks(StackName=NAME)["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    arns = [arn for key, arn in outputs.items() if key.endswith("LambdaFunctionQualifiedArn")]
    return {arn.split(":")[-2]: arn.split(":")[-1] for arn in arns}


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    with deployed_cloud(tmp_path_factory.mktemp("cloud")) as cloud:
        yield Story(cloud)


def change_and_go_back(story: Story) -> None:
    """A key opens once it is deployed; with a parameter it goes back, and forward again."""
    first = story.live()
    story.expect("key 1", live=first)
    story.rotate()
    story.expect("key 1", live=first)
    second = story.deploy(tickers="SPY")
    assert all(int(second[function]) > int(first[function]) for function in (DAILY, ON_DEMAND))
    story.expect("key 1", "key 2", live=second)
    back, said = story.roll_back()
    assert "FORECASTER_TICKERS SPY -> SPY,QQQ,DIA,IWM" in said
    assert back == first
    story.expect("key 1", live=back)
    forward, _ = story.roll_back()
    assert forward == second
    story.expect("key 1", "key 2", live=forward)


def break_and_stay(story: Story) -> None:
    """A resource fails, and would have opened the URL; a function fails, and would have shut it."""
    live = story.live()
    for broken in ({"auth": "none", "budgetUsd": "404"}, {"auth": "iam", "bars": "/nowhere"}):
        assert story.cloud.serverless("deploy", **broken).returncode == 1
        story.expect("key 1", "key 2", live=live)


def revoke_and_revive(story: Story) -> None:
    """After two others a key opens nothing, unless a rollback says that it does."""
    story.rotate()
    live = story.deploy()
    story.expect("key 2", "key 3", live=live)
    back, said = story.roll_back()
    assert said.count("WARNING: the key with SHA-256") == 1
    story.expect("key 1", "key 2", live=back)
    forward, _ = story.roll_back()
    assert forward == live
    story.expect("key 2", "key 3", live=live)


def pause_and_resume(story: Story) -> None:
    """Nobody may call what is paused; its record can be verified from anywhere."""
    live = story.live()
    assert story.cloud.forecaster("pause", "--stage", "dev").returncode == 0
    assert (story.who_may_call(), story.live()) == (set(), live)
    verified = story.cloud.forecaster("verify", "--store", f"s3://{BUCKET}/store")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert story.cloud.forecaster("resume", "--stage", "dev").returncode == 0
    story.expect("key 2", "key 3", live=live)


def open_otherwise_and_back(story: Story) -> None:
    """By signatures instead of keys, from which no rollback leads back, but a deployment."""
    signed = story.deploy(auth="iam")
    story.expect("friend", live=signed)
    refused = story.cloud.make("rollback", "STAGE=dev", "YES=1")
    assert refused.returncode != 0
    assert "deploy it with --param=auth=api-key" in refused.stderr
    story.expect("friend", live=signed)
    story.expect("key 2", "key 3", live=story.deploy())


def test_after_every_step_those_may_call_who_should_and_live_is_what_was_said(
    story: Story,
) -> None:
    change_and_go_back(story)
    break_and_stay(story)
    revoke_and_revive(story)
    pause_and_resume(story)
    open_otherwise_and_back(story)
    assert (story.who_may_call(), story.live()) == ({"key 2", "key 3"}, published(story.cloud))
