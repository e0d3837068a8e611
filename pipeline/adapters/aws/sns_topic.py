"""Mail by a topic of Amazon SNS (boto3)."""

from __future__ import annotations

from pipeline.adapters.aws.clients import make_client
from pipeline.adapters.aws.errors import translate_errors
from pipeline.errors import DeploymentError
from pipeline.ports import Announcement


class SnsTopic:
    """An Announcer by a topic, by ARN: whoever has subscribed gets the digest as plain text."""

    def __init__(self, arn: str) -> None:
        self._arn = arn

    def tell(self, announcement: Announcement) -> None:
        """Publish one message; raises DeploymentError where the topic does not take it."""
        with translate_errors(DeploymentError, f"{self._arn}: expected it to take a message"):
            make_client("sns").publish(
                TopicArn=self._arn, Subject=announcement.subject, Message=announcement.digest
            )
