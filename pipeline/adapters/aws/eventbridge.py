"""Events to Amazon EventBridge (boto3)."""

from __future__ import annotations

import json

from pipeline.adapters.aws.clients import make_client
from pipeline.adapters.aws.errors import translate_errors
from pipeline.errors import DeploymentError
from pipeline.ports import Announcement

SOURCE = "financial-forecaster"


class EventBridgeBus:
    """An Announcer by a bus of the account, by name; region and credentials are boto3's."""

    def __init__(self, name: str) -> None:
        self._name = name

    def tell(self, announcement: Announcement) -> None:
        """Put one event; raises DeploymentError where the bus does not take it."""
        entry = {
            "Source": SOURCE,
            "DetailType": announcement.name,
            "Detail": json.dumps(announcement.detail),
            "EventBusName": self._name,
        }
        expected = f"event bus {self._name}: expected it to take an event"
        with translate_errors(DeploymentError, expected):
            answer = make_client("events").put_events(Entries=[entry])
            # What it does not take it says in an answer of 200.
            refused = answer["Entries"][0] if answer["FailedEntryCount"] else None
        if refused:
            raise DeploymentError(
                f"{expected}, got {refused.get('ErrorCode')}: {refused.get('ErrorMessage')}"
            )
