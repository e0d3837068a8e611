"""What a function has logged to CloudWatch (boto3)."""

from __future__ import annotations

from pipeline.adapters.aws.clients import make_client
from pipeline.adapters.aws.errors import translate_errors
from pipeline.errors import DeploymentError


def read_log(group: str, phrase: str, region: str) -> list[str]:
    """Return the messages of a log group that contain a phrase, as long as the group keeps them.

    Raises
    ------
    DeploymentError
        When there is no such group, or AWS refuses or cannot be reached.
    """
    with translate_errors(DeploymentError, f"{group} in {region}: expected to read the log"):
        pages = make_client("logs", region).get_paginator("filter_log_events")
        events = pages.paginate(logGroupName=group, filterPattern=f'"{phrase}"')
        return [str(event["message"]) for page in events for event in page["events"]]
