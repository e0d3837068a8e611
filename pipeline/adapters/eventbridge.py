"""Events to Amazon EventBridge (boto3)."""

from __future__ import annotations

import json

from pipeline.errors import DeploymentError
from pipeline.ports import Announcement

SOURCE = "financial-forecaster"


class EventBridgeBus:
    """An Announcer by a bus of the account, by name; region and credentials are boto3's."""

    def __init__(self, name: str) -> None:
        self._name = name

    def tell(self, announcement: Announcement) -> None:
        """Put one event; raises DeploymentError where the bus does not take it."""
        import boto3.session  # noqa: PLC0415
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

        entry = {
            "Source": SOURCE,
            "DetailType": announcement.name,
            "Detail": json.dumps(announcement.detail),
            "EventBusName": self._name,
        }
        try:
            client = boto3.session.Session().client("events")
            answer = client.put_events(Entries=[entry])
        except (BotoCoreError, ClientError) as exc:
            raise self._refused(f"{type(exc).__name__}: {exc}") from exc
        # What it does not take it says in an answer of 200.
        if answer["FailedEntryCount"]:
            failed = answer["Entries"][0]
            raise self._refused(f"{failed.get('ErrorCode')}: {failed.get('ErrorMessage')}")

    def _refused(self, received: str) -> DeploymentError:
        return DeploymentError(
            f"event bus {self._name}: expected it to take an event, got {received}"
        )
