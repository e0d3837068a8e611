"""The daily function tells others of what it published, and fails where it cannot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import boto3.session
import pytest

from handlers.local.invoke import LocalContext
from pipeline.encoding import sha256
from pipeline.errors import DeploymentError
from tests.support.aws_account import REGION, aws_account
from tests.support.commands import ColdStart
from tests.support.expected import MANIFEST, SCHEDULE

# Of a name of its own: the accounts of one process are one account.
TOPIC = f"arn:aws:sns:{REGION}:123456789012:told-of-a-day"


def messages(queue: Any, url: str) -> list[Any]:
    taken = queue.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    return [json.loads(message["Body"]) for message in taken]


def test_a_topic_that_fails_fails_the_run_and_the_next_one_tells_of_the_session(
    cold_start: ColdStart, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.MonkeyPatch.context() as patch, aws_account(patch) as url:
        environ = {
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
        }
        daily = cold_start(environ, FORECASTER_EVENTS="default", FORECASTER_DIGEST_TOPIC=TOPIC)
        session = boto3.session.Session(region_name=REGION)
        with pytest.raises(DeploymentError, match="expected it to take a message"):
            daily.handler(SCHEDULE, LocalContext())
        manifest = tmp_path / "store" / MANIFEST
        assert manifest.is_file()  # published all the same
        sns, sqs = session.client("sns"), session.client("sqs")
        assert sns.create_topic(Name="told-of-a-day")["TopicArn"] == TOPIC
        queue = sqs.create_queue(QueueName="told-of-a-day")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
        endpoint = arn["Attributes"]["QueueArn"]
        sns.subscribe(TopicArn=TOPIC, Protocol="sqs", Endpoint=endpoint)
        for _ in range(2):
            assert daily.handler(SCHEDULE, LocalContext())["outcome"] == "nothing_to_do"
        (mail,) = messages(sqs, queue)
        assert mail["Subject"] == "Forecasts published: 2024-12-27"
        told = json.loads((tmp_path / "store" / "announced.json").read_bytes())
        assert told == {"key": MANIFEST, "sha256": sha256(manifest.read_bytes())}


def test_without_a_bus_and_a_topic_nobody_is_told_and_nothing_noted(
    cold_start: ColdStart, tmp_path: Path
) -> None:
    cold_start().handler(SCHEDULE, LocalContext())
    assert not (tmp_path / "store" / "announced.json").exists()
