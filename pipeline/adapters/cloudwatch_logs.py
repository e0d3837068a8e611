"""What a function has logged to CloudWatch (boto3)."""

from __future__ import annotations

from pipeline.errors import DeploymentError


def read_log(group: str, phrase: str, region: str) -> list[str]:
    """Return the messages of a log group that contain a phrase, as long as the group keeps them.

    Raises
    ------
    DeploymentError
        When there is no such group, or AWS refuses or cannot be reached.
    """
    import boto3.session  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    try:
        client = boto3.session.Session().client("logs", region_name=region)
        pages = client.get_paginator("filter_log_events").paginate(
            logGroupName=group, filterPattern=f'"{phrase}"'
        )
        return [str(event["message"]) for page in pages for event in page["events"]]
    except (BotoCoreError, ClientError) as exc:
        raise DeploymentError(
            f"{group} in {region}: expected to read the log, got {type(exc).__name__}: {exc}"
        ) from exc
