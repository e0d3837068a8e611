"""Others are told by a bus and by a topic; what these do not take is said."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import boto3.session
import pytest

from pipeline.adapters.aws.eventbridge import EventBridgeBus
from pipeline.adapters.aws.sns_topic import SnsTopic
from pipeline.errors import DeploymentError
from pipeline.ports import Announcement
from tests.support.aws_account import REGION, aws_account, lead_to

DETAIL = {"session": "2024-12-27", "withheld": {"SPY": "stale"}}
DIGEST = "SPY: 95 % interval\nof two lines"
PATTERN = {"source": ["financial-forecaster"], "detail-type": ["Forecasts published"]}


def announcement(name: str) -> Announcement:
    return Announcement(name, DETAIL, f"{name}: 2024-12-27", DIGEST)


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Iterator[boto3.session.Session]:
    with aws_account(monkeypatch):
        yield boto3.session.Session(region_name=REGION)


def test_whoever_waits_for_it_gets_the_detail_whole(session: boto3.session.Session) -> None:
    events, sqs = session.client("events"), session.client("sqs")
    url = sqs.create_queue(QueueName="waiting")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    events.put_rule(Name="rule", EventPattern=json.dumps(PATTERN))
    target = {"Id": "waiting", "Arn": arn["Attributes"]["QueueArn"]}
    events.put_targets(Rule="rule", Targets=[target])
    EventBridgeBus("default").tell(announcement("Forecasts published"))
    EventBridgeBus("default").tell(announcement("Something else"))
    (message,) = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    event = json.loads(message["Body"])
    assert event["source"] == "financial-forecaster"
    assert (event["detail-type"], event["detail"]) == ("Forecasts published", DETAIL)


def test_whoever_has_subscribed_gets_the_digest_as_text(session: boto3.session.Session) -> None:
    sns, sqs = session.client("sns"), session.client("sqs")
    topic = sns.create_topic(Name="digests")["TopicArn"]
    url = sqs.create_queue(QueueName="mail")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    endpoint = arn["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=endpoint)
    SnsTopic(topic).tell(announcement("Forecasts published"))
    (message,) = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    mail = json.loads(message["Body"])
    assert (mail["Subject"], mail["Message"]) == ("Forecasts published: 2024-12-27", DIGEST)


def test_a_topic_that_is_not_there_is_an_error_of_ours(session: boto3.session.Session) -> None:
    arn = f"arn:aws:sns:{REGION}:123456789012:none"
    with pytest.raises(DeploymentError, match=f"{arn}: expected it to take a message, got"):
        SnsTopic(arn).tell(announcement("Forecasts published"))


def test_an_aws_that_cannot_be_reached_is_an_error_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    lead_to("http://127.0.0.1:9", monkeypatch)
    with pytest.raises(DeploymentError, match="event bus default: expected it to take an event"):
        EventBridgeBus("default").tell(announcement("Forecasts published"))


class Refusing(BaseHTTPRequestHandler):
    """Takes a request and no entry of it, as a throttled bus does: with an answer of 200."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        entry = {"ErrorCode": "ThrottlingException", "ErrorMessage": "Rate exceeded"}
        body = json.dumps({"FailedEntryCount": 1, "Entries": [entry]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Keep the console quiet."""


def test_an_entry_that_is_not_taken_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    with HTTPServer(("127.0.0.1", 0), Refusing) as server:
        thread = Thread(target=server.handle_request, daemon=True)
        thread.start()
        lead_to(f"http://127.0.0.1:{server.server_port}", monkeypatch)
        with pytest.raises(DeploymentError, match="got ThrottlingException: Rate exceeded"):
            EventBridgeBus("default").tell(announcement("Forecasts published"))
        thread.join()
