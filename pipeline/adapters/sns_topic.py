"""Mail by a topic of Amazon SNS (boto3)."""

from __future__ import annotations

from pipeline.errors import DeploymentError
from pipeline.ports import Announcement


class SnsTopic:
    """An Announcer by a topic, by ARN: whoever has subscribed gets the digest as plain text."""

    def __init__(self, arn: str) -> None:
        self._arn = arn

    def tell(self, announcement: Announcement) -> None:
        """Publish one message; raises DeploymentError where the topic does not take it."""
        import boto3.session  # noqa: PLC0415
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

        try:
            client = boto3.session.Session().client("sns")
            client.publish(
                TopicArn=self._arn, Subject=announcement.subject, Message=announcement.digest
            )
        except (BotoCoreError, ClientError) as exc:
            raise DeploymentError(
                f"{self._arn}: expected the topic to take a message, "
                f"got {type(exc).__name__}: {exc}"
            ) from exc
